"""JSON objects with a checksum of their own text, as whole files and as lines."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rae_auto.errors import StoreDamaged
from rae_auto.toolkit.files import atomic_file
from rae_plugins.stores.checksum import checksum

FORMAT_VERSION = 1

MAX_LINE_BYTES = 64 << 20
"""Longer lines are neither read nor written."""

MAX_FILE_BYTES = 1 << 30
"""Larger files are not read."""

_CHECKSUM_PREFIX = re.compile(rb'\{"crc":"([0-9a-f]{8})",')


def add_checksum(document: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Return the JSON text of a non-empty document, with its CRC-32 in front."""
    text = json.dumps(document, indent=indent, separators=(",", ":") if indent is None else None).encode()
    return b'{"crc":"%08x",%s\n' % (checksum(text), text[1:])


def verify_checksum(text: bytes) -> dict[str, Any] | None:
    """Return the document, or None if its checksum is wrong. The parser sees only verified text."""
    match = _CHECKSUM_PREFIX.match(text)
    if match is None or not text.endswith(b"\n"):
        return None
    body = b"{" + text[match.end() : -1]
    if checksum(body) != int(match[1], 16):
        return None
    try:
        document: dict[str, Any] = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def check_format(path: Path, document: Mapping[str, Any] | None) -> None:
    """Raise StoreDamaged if a newer rae-auto wrote the file."""
    written = document.get("format", FORMAT_VERSION) if document else FORMAT_VERSION
    if not isinstance(written, int) or written > FORMAT_VERSION:
        raise StoreDamaged(
            f"{path} was written by a newer rae-auto (format {written!r:.20}); install that version or a later one"
        )


def read_file(path: Path) -> dict[str, Any] | None:
    """Return the document of a file, or None if it is damaged."""
    if path.stat().st_size > MAX_FILE_BYTES:
        return None
    document = verify_checksum(path.read_bytes())
    check_format(path, document)
    return document


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the end of each line in bytes, and its document, or None for a damaged line."""
    with path.open("rb") as file:
        yield from iter_lines(file)


def iter_lines(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the same of an open file."""
    end = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        end += len(line)
        yield end, verify_checksum(line)


def is_line_good(text: bytes) -> bool:
    """Return whether the checksum of a line is right, without parsing it."""
    match = _CHECKSUM_PREFIX.match(text)
    return match is not None and text.endswith(b"\n") and checksum(b"{" + text[match.end() : -1]) == int(match[1], 16)


def copy_damaged_file(path: Path, moment: str) -> Path:
    """Copy a damaged file as it is to a name that no store reads, and return the copy."""
    aside = path.with_name(f"{path.name}.corrupt-{moment}")
    with path.open("rb") as damaged, atomic_file(aside) as file:
        shutil.copyfileobj(damaged, file)
    return aside
