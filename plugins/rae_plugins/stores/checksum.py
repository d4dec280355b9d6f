"""The text of stored documents, and its checksum: what both built-in stores write.

CRC-32 (zlib) finds flipped bits, torn writes and edits by hand. It is no protection against an attacker, who could
write the checksum as well; the rights of the files are.
"""

import json
import json.encoder
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from rae_auto.api.store import Document

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
"""Made once: `json.dumps` makes one for each document that it writes in another form than its own.

Documents are trees, so the notes on what contains what are spared.
"""


def _make_quick_encoder() -> Callable[[Document], str]:
    """Return `_ENCODER.encode`, without the part in C being made again for each document: a third of its time."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # another interpreter
        return _ENCODER.encode
    to_text = json.encoder.encode_basestring_ascii
    pieces_of: Callable[[Document, int], Iterable[str]]
    pieces_of = make(None, _ENCODER.default, to_text, None, ":", ",", False, False, True)
    return lambda body: "".join(pieces_of(body, 0))


pack_json = _make_quick_encoder()
"""Returns the shortest JSON text of a document."""


def checksum(text: bytes) -> int:
    """Return the CRC-32 of a text."""
    return zlib.crc32(text)
