"""The SQL statements for changes, queries and retention."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, islice
from typing import Any

from rae_auto.api.store import Append, Change, Delete, LogQuery, Put, RetentionRule
from rae_plugins.stores.checksum import pack_json
from rae_plugins.stores.sqlite.row_statements import ROWS, ROWS_A_CALL, RowStatement
from rae_plugins.stores.sqlite.rows import SELECT_ENTRIES, document_checksum, entry_checksum

_PUT = f"INSERT INTO documents VALUES {ROWS} ON CONFLICT DO UPDATE SET body = excluded.body, crc = excluded.crc"  # noqa: S608
# Not `(kind, key) IN (VALUES …)`, for which SQLite reads all documents.
_DELETE = f"DELETE FROM documents WHERE kind = ? AND key IN ({ROWS})"  # noqa: S608
DELETE_DAMAGED = "DELETE FROM documents WHERE CAST(kind AS BLOB) = ? AND CAST(key AS BLOB) = ?"
"""Deletes a document by the bytes of its kind and key, which may be no text."""

CORRECT_KIND = (
    "UPDATE OR IGNORE documents SET kind = CAST(? AS TEXT) WHERE CAST(kind AS BLOB) = ? AND CAST(key AS BLOB) = ?"
)
"""Gives a document another kind, by the bytes of its kind and key, unless there is one of that kind and key."""

_APPEND = f"INSERT OR REPLACE INTO entries (log, key, job, state, at, ended, body, crc) VALUES {ROWS}"  # noqa: S608

_DELETE_ENTRIES = f"DELETE FROM entries WHERE seq IN ({ROWS})"  # noqa: S608


def group_changes(changes: Iterable[Change]) -> Iterator[RowStatement]:
    """Yield statements with the rows of neighbouring changes of one type, in the order of the changes.

    The rows of one call are made at a time: those of thousands of changes take megabytes, and leave holes behind.
    """
    for (type_, kind), group in groupby(changes, _statement_of):
        while rows := [_make_row(change) for change in islice(group, ROWS_A_CALL[0])]:
            if type_ is Put:
                yield RowStatement(_PUT, "(?, ?, ?, ?)", rows)
            elif type_ is Append:
                yield RowStatement(_APPEND, "(?, ?, ?, ?, ?, ?, ?, ?)", rows)
            else:
                yield RowStatement(_DELETE, "?", rows, (kind,))


def _statement_of(change: Change) -> tuple[type[Change], str]:
    """Return what changes of one statement have in common."""
    return type(change), change.kind if type(change) is Delete else ""


def _make_row(change: Change) -> tuple[Any, ...]:
    if isinstance(change, Put):
        # First, and without a pattern: most changes are such.
        kind, key, text = change.kind, change.key, pack_json(change.body)
        return kind, key, text, document_checksum(kind.encode(), key.encode(), text.encode())
    match change:
        case Delete(_, key):
            return (key,)
        case Append(log, key, job, state, at, body, ended_at):
            text, instant, ended = pack_json(body), at.timestamp(), None if ended_at is None else ended_at.timestamp()
            names = (log.encode(), key.encode(), job.encode(), state.encode())
            crc = entry_checksum(names, instant, ended, text.encode())
            return log, key, job, str(state), instant, ended, text, crc


def delete_entries(seqs: Iterable[int]) -> RowStatement:
    """Return the statement that deletes entries by their numbers."""
    return RowStatement(_DELETE_ENTRIES, "?", sorted((seq,) for seq in seqs))


def select_entries(log: str, query: LogQuery, select: str = SELECT_ENTRIES) -> tuple[str, list[Any]]:
    """Return the statement for a query of a log, newest first, and the values to bind."""
    # One entry of a million may have a rare state. Each state by itself is in the order of its index, and SQLite merges
    # them; of several in one condition it would read the entries of all states by time.
    is_merged = len(query.states) > 1 and query.job is None and query.key is None and not query.by_end
    groups = [(state,) for state in dict.fromkeys(query.states)] if is_merged else [query.states]
    names = [("job", query.job), ("key", query.key)]
    instants = [(">=", query.since), ("<=", query.until)]
    sql = _write_query(
        select,
        tuple(map(len, groups)),
        tuple(column for column, value in names if value is not None),
        tuple(comparison for comparison, instant in instants if instant is not None),
        query.by_end,
        query.limit,
    )
    rest: list[Any] = [value for _, value in names if value is not None]
    rest += [instant.timestamp() for _, instant in instants if instant is not None]
    return sql, [value for states in groups for value in (log, *states, *rest)]


@lru_cache(maxsize=128)
def _write_query(
    select: str, groups: Sequence[int], columns: Sequence[str], comparisons: Sequence[str], by_end: bool, limit: int
) -> str:
    """Return the text for groups of so many states; a page asks for each of a hundred jobs with the same one."""
    order = "ended" if by_end else "at"
    conditions = [f"{column} = ?" for column in columns]
    if by_end:
        conditions.append("ended IS NOT NULL")
    conditions += [f"{order} {comparison} ?" for comparison in comparisons]
    parts = []
    for states in groups:
        matching = _match_states(states)
        if states and "job" in columns and not by_end:
            # The plus keeps SQLite from the index by state, in which it would read the runs of all jobs to find few.
            matching[-1] = f"+{matching[-1]}"
        parts.append(f"{select} WHERE {' AND '.join([*matching, *conditions])}")
    return f"{' UNION ALL '.join(parts)} ORDER BY {order} DESC, seq DESC LIMIT {limit:d}"


def find_expired(database: sqlite3.Connection, log: str, rule: RetentionRule, limit: int) -> list[tuple[int, bytes]]:
    """Return the number and key of up to `limit` entries that need not be retained. Text is read as bytes.

    All of them are found by an index, and the jobs with too many entries by the numbers of their entries, so that
    finding nothing costs next to nothing.
    """
    conditions, values = _match_log(log, rule.states)
    counts = " AND ".join(conditions if rule.job is None else [*conditions, "job = ?"])
    # Only names of ours are interpolated; values from outside are bound.
    crowded = f"SELECT job FROM entry_counts WHERE {counts} GROUP BY job HAVING sum(count) > ?"  # noqa: S608
    if rule.job is not None:
        conditions, values = [*conditions, "job = ?"], [*values, rule.job]
    index = "entries_by_job" if rule.job is not None else "entries_by_state" if rule.states else "entries_by_time"
    where, since = " AND ".join(conditions), rule.since.timestamp()
    old = f"SELECT seq, key FROM entries INDEXED BY {index} WHERE {where} AND at < ? LIMIT ?"  # noqa: S608
    found = database.execute(old, (*values, since, limit)).fetchall()
    # Jobs are read as bytes, which are not equal to text without the cast.
    surplus = (
        f"SELECT seq, key FROM entries INDEXED BY entries_by_job WHERE {where} AND at >= ? AND job = CAST(? AS TEXT) "  # noqa: S608
        f"ORDER BY at DESC, seq DESC LIMIT ? OFFSET ?"
    )
    if len(found) < limit:
        for (job,) in database.execute(crowded, (*values, rule.newest)).fetchall():
            left = limit - len(found)
            found += database.execute(surplus, (*values, since, job, left, rule.newest))
            if len(found) >= limit:
                break
    return found


def _match_log(log: str, states: Sequence[str]) -> tuple[list[str], list[Any]]:
    """Return conditions, and the values to bind."""
    return _match_states(len(states)), [log, *states]


def _match_states(count: int) -> list[str]:
    """Return the conditions for a log and so many states; for any state if there are none."""
    return ["log = ?", f"state IN ({', '.join('?' * count)})"] if count else ["log = ?"]
