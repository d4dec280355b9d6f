"""JSON objects that carry the checksum of their own text, as whole files and as lines."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rae_auto.errors import StoreDamaged
from rae_auto.toolkit.files import write_whole

FORMAT = 1

MAX_LINE = 64 << 20
"""Bytes of a line that is read or written."""

MAX_FILE = 1 << 30
"""Bytes of a whole file that is read."""

_SEAL = re.compile(rb'\{"crc":"([0-9a-f]{8})",')


def seal(document: Mapping[str, Any], indent: int | None = None) -> bytes:
    """The JSON text of a document that isn't empty, its CRC32 in front."""
    text = json.dumps(document, indent=indent, separators=(",", ":") if indent is None else None).encode()
    return b'{"crc":"%08x",%s\n' % (zlib.crc32(text), text[1:])


def unseal(text: bytes) -> dict[str, Any] | None:
    """The document, or None where it isn't what was written. The checksum comes before the parser sees anything."""
    match = _SEAL.match(text)
    if match is None or not text.endswith(b"\n"):
        return None
    body = b"{" + text[match.end() : -1]
    if zlib.crc32(body) != int(match[1], 16):
        return None
    try:
        document: dict[str, Any] = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def check_format(path: Path, document: Mapping[str, Any] | None) -> None:
    """Raise StoreDamaged where a newer rae-auto wrote the file."""
    written = document.get("format", FORMAT) if document else FORMAT
    if not isinstance(written, int) or written > FORMAT:
        raise StoreDamaged(f"{path} was written by a newer rae-auto (format {written!r:.20}); use that one")


def read_file(path: Path) -> dict[str, Any] | None:
    """The document of a file, or None where it is damaged."""
    if path.stat().st_size > MAX_FILE:
        return None
    document = unseal(path.read_bytes())
    check_format(path, document)
    return document


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Where each line ends, and its document, or None for a damaged line."""
    with path.open("rb") as file:
        yield from lines_of(file)


def lines_of(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The same of a file that is open."""
    end = 0
    while line := file.readline(MAX_LINE + 1):
        end += len(line)
        yield end, unseal(line)


def set_aside(path: Path, moment: str) -> Path:
    """Copy the damaged file as it is to a name that nobody reads."""
    aside = path.with_name(f"{path.name}.corrupt-{moment}")
    write_whole(aside, path.read_bytes())
    return aside
