"""Changes as the arrays that `commit_changes` takes, and questions as SQL."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from attrs import define, field

from rae_auto.api.store import Append, Change, CountQuery, Delete, Document, LogQuery, Put
from rae_auto.errors import StoreError

COMMIT = (
    "SELECT commit_changes($1, $2, $3::text[], $4::bytea[], $5::text[], $6::bytea[], $7::text[], $8::bigint[],"
    " $9::text[], $10::bytea[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::text[],"
    " $16::bigint[], $17::bytea[], $18::bytea[])"
)
# An occurrence that the engine has forgotten may start again, as with any store. The text of a document that is gone
# says to which run it led; it is searched, not read, because it may be damaged.
_FORGET = (
    "WITH forgotten AS (DELETE FROM occurrences WHERE run IN ("
    """SELECT convert_to(substring(body FROM '"run":"([^"]+)"'), 'UTF8') FROM documents"""
    " WHERE kind = 'seen' AND key = ANY ($19::bytea[])) RETURNING 1),"
    " before AS (SELECT count(*) FROM forgotten) "
)
COMMIT_AND_FORGET = f"{_FORGET}{COMMIT} FROM before"
PRUNE = "SELECT prune_entries($1, $2, $3, $4, $5, $6, $7, $8)"
DOCUMENTS = "SELECT kind, key, body, crc FROM documents"
ENTRIES = "SELECT log, key, job, state, at, ended_at, body, crc FROM entries"
KEYS = "SELECT key FROM entries WHERE log = $1 AND key = ANY ($2::bytea[])"

RUN = "run"
"""The kind of the documents that are open runs, each the outcome of one start decision."""

SEEN = "seen"
"""The kind of the documents by which the engine remembers occurrences that no schedule gives."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encode_key(key: str) -> bytes:
    """Return a key as bytes, because PostgreSQL's text has neither null characters nor halves of surrogate pairs."""
    return key.encode(errors="surrogatepass")


def decode_key(key: bytes) -> str:
    """Return a key from its bytes; that of a damaged row may not be text, which must not cost the others."""
    try:
        return key.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return key.decode(errors="backslashreplace")


def checksum_document(kind: str, key: bytes, body: str) -> int:
    """Return the CRC-32 of a document."""
    return zlib.crc32(b"\0".join((kind.encode(), key, body.encode())))


def checksum_entry(
    log: str, key: bytes, job: str, state: str, at: datetime, ended_at: datetime | None, body: str
) -> int:
    """Return the CRC-32 of an entry of a log."""
    ended = "" if ended_at is None else repr(ended_at.timestamp())
    texts = (log, job, state, repr(at.timestamp()), ended, body)
    return zlib.crc32(b"\0".join((key, *(text.encode() for text in texts))))


@define
class ChangeArrays:
    """The changes of a commit by columns; of each document and entry the last change counts."""

    _documents: dict[tuple[str, bytes], str | None] = field(init=False, factory=dict)
    _entries: dict[tuple[str, bytes], Append] = field(init=False, factory=dict)
    _bodies: dict[tuple[str, bytes], str] = field(init=False, factory=dict)
    _occurrences: dict[bytes, bytes] = field(init=False, factory=dict)
    forgotten: list[bytes] = field(init=False, factory=list)
    """Keys of documents of occurrences that the engine no longer remembers."""

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "ChangeArrays":
        """Return the arrays of changes. Raises StoreError for a body that is not JSON."""
        arrays = cls()
        try:
            for change in changes:
                arrays._take(change)
        except (TypeError, ValueError) as error:
            raise StoreError(f"document is not JSON ({error})") from error
        return arrays

    def _take(self, change: Change) -> None:
        match change:
            case Put(kind, key, body):
                self._documents[kind, encode_key(key)] = _ENCODER.encode(body)
                if kind == RUN and (identity := _identify(body)) is not None:
                    self._occurrences[identity] = encode_key(key)
            case Delete(kind, key):
                self._documents[kind, encode_key(key)] = None
                if kind == SEEN:
                    self.forgotten.append(encode_key(key))
            case Append(log, key):
                place = log, encode_key(key)
                # One that replaces another counts as appended now.
                self._entries.pop(place, None)
                self._entries[place] = change
                self._bodies[place] = _ENCODER.encode(change.body)

    def columns(self) -> tuple[Sequence[Any], ...]:
        """Return the arguments of `commit_changes`, without the first two."""
        deleted = _transpose((place for place, body in self._documents.items() if body is None), 2)
        documents = ((kind, key, body) for (kind, key), body in self._documents.items() if body is not None)
        entries = (
            (log, key, one.job, str(one.state), one.at, one.ended_at, self._bodies[log, key])
            for (log, key), one in self._entries.items()
        )
        return (
            *deleted,
            *_transpose(((*one, checksum_document(*one)) for one in documents), 4),
            *_transpose(((*one, checksum_entry(*one)) for one in entries), 8),
            list(self._occurrences),
            list(self._occurrences.values()),
        )


def _transpose(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    columns: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns


def _identify(body: Document) -> bytes | None:
    """Return the digest of the occurrence that a run is the outcome of: its job, its trigger and the key."""
    parts = [body.get(name) for name in ("job", "trigger", "key")]
    if not all(isinstance(part, str) for part in parts):
        return None
    return hashlib.blake2b(encode_key("\0".join(map(str, parts))), digest_size=16).digest()


def select_entries(log: str, query: LogQuery) -> tuple[str, list[Any]]:
    """Return the statement for a query of a log, newest first, and the values to bind."""
    column = "ended_at" if query.by_end else "at"
    conditions, values = ["log = $1"], [log]

    def add(condition: str, value: Any) -> None:
        values.append(value)
        conditions.append(condition.format(f"${len(values)}"))

    if query.job is not None:
        add("job = {}", query.job)
    if query.states:
        add("state = ANY ({})", list(map(str, query.states)))
    if query.key is not None:
        add("key = {}", encode_key(query.key))
    if query.since is not None:
        add(f"{column} >= {{}}", query.since)
    if query.until is not None:
        add(f"{column} <= {{}}", query.until)
    if query.by_end:
        conditions.append("ended_at IS NOT NULL")
    # Names of columns are ours; values from outside are bound.
    where = " AND ".join(conditions)
    return f"{ENTRIES} WHERE {where} ORDER BY {column} DESC, seq DESC LIMIT {min(query.limit, 2**62):d}", values


def select_counts(log: str, query: CountQuery) -> tuple[str, list[Any]]:
    """Return the statement that counts entries: the number of the step or null, the state, the number."""
    if query.since is None and query.until is None and query.step is None:
        job = "" if query.job is None else "AND job = $2"
        sql = f"SELECT NULL::bigint, state, sum(count)::bigint FROM entry_counts WHERE log = $1 {job} GROUP BY state"  # noqa: S608
        return f"{sql} HAVING sum(count) > 0", [log] if query.job is None else [log, query.job]
    conditions, values = ["log = $1"], [log]
    for condition, value in (("job = {}", query.job), ("at >= {}", query.since), ("at < {}", query.until)):
        if value is not None:
            values.append(value)  # type: ignore[arg-type]
            conditions.append(condition.format(f"${len(values)}"))
    step = "NULL::bigint"
    if query.step is not None and query.since is not None:
        seconds, begin = query.step.total_seconds(), f"${values.index(query.since) + 1}"  # type: ignore[arg-type]
        step = f"floor(extract(epoch FROM at - {begin}) / {seconds!r})::bigint"
    sql = f"SELECT {step}, state, count(*) FROM entries WHERE {' AND '.join(conditions)} GROUP BY 1, 2"  # noqa: S608
    return sql, values
