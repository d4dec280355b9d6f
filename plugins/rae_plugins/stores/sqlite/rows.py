"""The rows of the SQLite store: their checksums, and reading them without believing them.

Every column of a row but its place is covered by its checksum: a flipped bit in the key of a document would otherwise
make another document of it. All text is read as bytes, so that one bad bit is a wrong checksum and no decoding error.
"""

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from rae_auto.api.store import Append
from rae_plugins.stores.sqlite.schema import as_bytes

SELECT_DOCUMENTS = "SELECT kind, key, body, crc FROM documents"
SELECT_ENTRIES = "SELECT seq, log, key, job, state, at, ended, body, crc FROM entries"

SELECT_HEADS = "SELECT seq, job, state, at FROM entries"

Row = tuple[Any, ...]


@frozen
class BadRow:
    """A row whose checksum is wrong: its table, its place there, and its values as they are."""

    table: str
    place: tuple[Any, ...]
    values: Row

    def describe(self) -> dict[str, Any]:
        """Return the row as JSON, in which bytes that are no text are escaped."""
        return {
            "table": self.table,
            "values": [as_text(value) if isinstance(value, bytes) else value for value in self.values],
        }


def document_checksum(kind: bytes, key: bytes, body: bytes) -> int:
    """Return the checksum of a document."""
    return zlib.crc32(b"\0".join((kind, key, body)))


def entry_checksum(names: Sequence[bytes], at: float, ended: float | None, body: bytes) -> int:
    """Return the checksum of an entry: of its log, key, job and state, its two instants, and its body."""
    instants = struct.pack(">d", at) if ended is None else struct.pack(">2d", at, ended)
    head = b"\0".join((*names, instants))
    return zlib.crc32(body, zlib.crc32(head))


def guess_kind(row: Row, kinds: Sequence[str]) -> str | None:
    """Return the kind that a row of `SELECT_DOCUMENTS` had before damage, of these kinds; None if nothing shows it.

    Its checksum proves the kind if nothing else is damaged. Otherwise it is the one that is there, if that is a kind at
    all, or one that differs from it in one byte.
    """
    kind, key, body, crc = row
    if not (type(kind) is type(key) is type(body) is bytes):
        return None
    proven = [other for other in kinds if crc == document_checksum(other.encode(), key, body)]
    differences = {other: _count_differences(other.encode(), kind) for other in kinds}
    similar = [other for other in sorted(kinds, key=differences.__getitem__) if differences[other] <= 1]
    return next(iter(proven + similar), None)


def _count_differences(one: bytes, other: bytes) -> int:
    return sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))


def is_good_document(row: Row) -> bool:
    """Return whether a row of `SELECT_DOCUMENTS` is what was written."""
    kind, key, body, crc = row
    # Without a call of `document_checksum`: a start looks at all of them.
    return type(kind) is type(key) is type(body) is bytes and crc == zlib.crc32(b"\0".join((kind, key, body)))


def is_good_entry(row: Row) -> bool:
    """Return whether a row of `SELECT_ENTRIES` is what was written."""
    _, log, key, job, state, at, ended, body, crc = row
    return (
        # Not as a loop, which would take as long as all the rest of a read.
        type(log) is type(key) is type(job) is type(state) is type(body) is bytes
        and type(at) is float
        and (ended is None or type(ended) is float)
        and crc == entry_checksum((log, key, job, state), at, ended, body)
    )


def find_bad_documents(database: sqlite3.Connection) -> Iterator[BadRow]:
    """Yield every document whose checksum is wrong. The connection must read text as bytes."""
    for row in database.execute(SELECT_DOCUMENTS):
        if not is_good_document(row):
            yield BadRow("documents", row[:2], row)


def find_bad_rows(database: sqlite3.Connection) -> Iterator[BadRow]:
    """Yield every row whose checksum is wrong. The connection must read text as bytes."""
    yield from find_bad_documents(database)
    for row in database.execute(f"{SELECT_ENTRIES} NOT INDEXED"):
        if not is_good_entry(row):
            yield BadRow("entries", row[:1], row)


def find_bad_entry(database: sqlite3.Connection, place: tuple[Any, ...]) -> list[BadRow]:
    """Return the entry at a place if its checksum is wrong; there may be none, or another one by now."""
    rows = database.execute(f"{SELECT_ENTRIES} NOT INDEXED WHERE seq = ?", place).fetchall()
    return [BadRow("entries", row[:1], row) for row in rows if not is_good_entry(row)]


def as_append(row: Row) -> Append:
    """Return the change that made a row of `SELECT_ENTRIES`."""
    _, log, key, job, state, at, ended, body, _ = row
    instant, ended_at = datetime.fromtimestamp(at, UTC), None if ended is None else datetime.fromtimestamp(ended, UTC)
    return Append(log.decode(), key.decode(), job.decode(), state.decode(), instant, json.loads(body), ended_at)


def as_text(value: Any) -> str:
    """Return a possibly damaged value as text for people."""
    return as_bytes(value).decode(errors="backslashreplace")
