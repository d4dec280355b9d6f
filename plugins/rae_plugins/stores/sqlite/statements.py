"""The SQL statements for changes, queries and retention."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from rae_auto.api.store import Append, Change, Delete, LogQuery, Put, RetentionRule
from rae_plugins.stores.checksum import pack_json
from rae_plugins.stores.sqlite.rows import SELECT_ENTRIES, document_checksum, entry_checksum

_PUT = "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, crc = excluded.crc"
_DELETE = "DELETE FROM documents WHERE kind = ? AND key = ?"
_APPEND = "INSERT OR REPLACE INTO entries (log, key, job, state, at, body, crc) VALUES (?, ?, ?, ?, ?, ?, ?)"

StatementBatch = tuple[str, list[tuple[Any, ...]]]
"""A statement and the rows to execute it with."""


def group_changes(changes: Sequence[Change]) -> Iterator[StatementBatch]:
    """Yield statements with the rows of neighbouring changes of one type, in the order of the changes."""
    current = ""
    rows: list[tuple[Any, ...]] = []
    for change in changes:
        statement, row = _make_row(change)
        if statement != current and rows:
            yield current, rows
            rows = []
        current = statement
        rows.append(row)
    if rows:
        yield current, rows


def _make_row(change: Change) -> tuple[str, tuple[Any, ...]]:
    match change:
        case Put(kind, key, body):
            text = pack_json(body)
            return _PUT, (kind, key, text, document_checksum(kind.encode(), key.encode(), text.encode()))
        case Delete(kind, key):
            return _DELETE, (kind, key)
        case Append(log, key, job, state, at, body):
            text, instant = pack_json(body), at.astimezone(UTC).timestamp()
            crc = entry_checksum((log.encode(), key.encode(), job.encode(), state.encode()), instant, text.encode())
            return _APPEND, (log, key, job, str(state), instant, text, crc)


def select_entries(log: str, query: LogQuery) -> tuple[str, list[Any]]:
    """Return the statement for a query of a log, newest first, and the values to bind."""
    conditions, values = _match_log(log, query.states)
    for column, value in (("job", query.job), ("key", query.key)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    for comparison, instant in ((">=", query.since), ("<=", query.until)):
        if instant is not None:
            conditions.append(f"at {comparison} {instant.timestamp()!r}")
    where = " AND ".join(conditions)
    # Column names and numbers are ours; values from outside are bound.
    sql = f"{SELECT_ENTRIES} WHERE {where} ORDER BY at DESC, seq DESC LIMIT {query.limit:d}"
    return sql, values


def find_expired(database: sqlite3.Connection, log: str, rule: RetentionRule) -> Iterator[tuple[int, bytes]]:
    """Yield the number and key of each entry that need not be retained, once. Text is read as bytes."""
    conditions, values = _match_log(log, rule.states)
    if rule.job is not None:
        conditions, values = [*conditions, "job = ?"], [*values, rule.job]
    # Only column names are interpolated; values from outside are bound.
    where, since = " AND ".join(conditions), rule.since.timestamp()
    yield from database.execute(f"SELECT seq, key FROM entries WHERE {where} AND at < ?", (*values, since))  # noqa: S608
    # Jobs are read as bytes, which are not equal to text without the cast.
    recent, bound = f"FROM entries WHERE {where} AND at >= ?", (*values, since)
    crowded = f"SELECT job {recent} GROUP BY job HAVING count(*) > ?"
    oldest = f"SELECT seq, key {recent} AND job = CAST(? AS TEXT) ORDER BY at DESC, seq DESC LIMIT -1 OFFSET ?"
    for (job,) in database.execute(crowded, (*bound, rule.newest)).fetchall():
        yield from database.execute(oldest, (*bound, job, rule.newest))


def _match_log(log: str, states: Sequence[str]) -> tuple[list[str], list[Any]]:
    """Return conditions, and the values to bind."""
    if not states:
        return ["log = ?"], [log]
    return ["log = ?", f"state IN ({', '.join('?' * len(states))})"], [log, *states]
