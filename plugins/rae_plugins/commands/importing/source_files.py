"""The files of a source, read with a message that helps where they are not what they should be."""

import codecs
from collections.abc import Iterable, Sequence
from pathlib import Path

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import join_words, quote

MAX_SOURCE_BYTES = 16 << 20
"""Nothing that people write by hand is larger, so a larger file is another one by mistake."""


def read_source_bytes(path: Path, kind: str, *, limited: bool = True) -> bytes:
    """Return the bytes of a source; `kind` names it in messages, as "a crontab". Errors: BadRequest.

    Of one that may be of any size (not `limited`) the begin.
    """
    try:
        if path.is_dir():
            raise BadRequest(f"{quote(path)} is a folder; name the file that is {kind}")
        if not path.is_file():
            problem = "is not a plain file" if path.exists() else "does not exist"
            raise BadRequest(f"{quote(path)} {problem}; name the file that is {kind}")
        size = path.stat().st_size
        if limited and size > MAX_SOURCE_BYTES:
            raise BadRequest(f"{quote(path)} has {size >> 20} MB, so it is not {kind}; name another file")
        content = path.read_bytes() if limited else _read_begin(path)
    except PermissionError:
        raise BadRequest(f"{quote(path)} can't be read: permission denied; run this as its owner, or copy it") from None
    if not content.strip():
        raise BadRequest(f"{quote(path)} is empty, so there is nothing to import")
    return content


def _read_begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1024)


def read_source_text(path: Path, kind: str) -> str:
    """Return the text of a source. Bytes that are no UTF-8 are replaced. Errors: BadRequest."""
    content = read_source_bytes(path, kind)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content:
        raise BadRequest(f"{quote(path)} is a binary file, so it is not {kind}; name a text file")
    return content.decode("utf-8-sig", errors="replace")


def list_files(names: Iterable[str], suffixes: Sequence[str], kind: str) -> list[Path]:
    """Return the files that were named, and those with one of the suffixes in folders that were. Errors: BadRequest."""
    found: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in suffixes and one.name[0] not in "._")
        if not inside:
            raise BadRequest(
                f"there is no {join_words(suffixes, 'or')} file in {quote(path)}; name the file that is {kind}"
            )
        found += inside
    return found
