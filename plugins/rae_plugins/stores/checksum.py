"""The text of stored documents, and its checksum: what both built-in stores write.

CRC-32 (zlib) finds flipped bits, torn writes and edits by hand. It is no protection against an attacker, who could
write the checksum as well; the rights of the files are.
"""

import json
import zlib

from rae_auto.api.store import Document

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
"""Made once: `json.dumps` makes one for each document that it writes in another form than its own.

Documents are trees, so the notes on what contains what are spared.
"""


def pack_json(body: Document) -> str:
    """Return the shortest JSON text of a document."""
    return _ENCODER.encode(body)


def checksum(text: bytes) -> int:
    """Return the CRC-32 of a text."""
    return zlib.crc32(text)
