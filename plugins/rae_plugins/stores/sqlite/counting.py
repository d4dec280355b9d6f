"""Numbers of entries in the SQLite store, from its indexes and the table of counts: no entry is read."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from rae_auto.api.store import CountQuery, EntryCount

MAX_FEW_STEPS = 50
"""Number of steps up to which each is counted by itself."""


def count_entries(database: sqlite3.Connection, log: str, query: CountQuery) -> list[EntryCount]:
    """Return how many entries a query counts, by state and step. Errors: sqlite3.Error."""
    if query.since is None and query.until is None and query.step is None:
        return _count_all(database, log, query.job)
    if query.job is not None:
        return list(_count_steps(database, "entries_by_job", "log = ? AND job = ?", [log, query.job], query))
    # Each state by itself, so that the index that begins with the state has all that is needed.
    states = database.execute("SELECT DISTINCT state FROM entry_counts WHERE log = ?", (log,)).fetchall()
    return [
        found
        for (state,) in states
        for found in _count_steps(
            database, "entries_by_state", "log = ? AND state = CAST(? AS TEXT)", [log, state], query
        )
    ]


def _count_all(database: sqlite3.Connection, log: str, job: str | None) -> list[EntryCount]:
    where, values = ("log = ?", [log]) if job is None else ("log = ? AND job = ?", [log, job])
    sql = f"SELECT state, sum(count) FROM entry_counts WHERE {where} GROUP BY state"  # noqa: S608 - names of ours
    return [EntryCount(None, _text(state), count) for state, count in database.execute(sql, values)]


def _count_few_steps(
    database: sqlite3.Connection, index: str, where: str, values: list[Any], query: CountQuery
) -> Iterator[EntryCount]:
    """Count step by step, which spares the sorting of all entries by their steps."""
    since, until, step = query.since, query.until, query.step
    assert since is not None and until is not None and step is not None
    # Column names are ours; values from outside are bound.
    table = f"entries INDEXED BY {index} WHERE {where} AND at >= ? AND at < ?"
    sql = f"SELECT state, count(*) FROM {table} GROUP BY state"  # noqa: S608
    begin = since
    while begin < until:
        end = min(begin + step, until)
        for state, count in database.execute(sql, (*values, begin.timestamp(), end.timestamp())):
            yield EntryCount(begin, _text(state), count)
        begin += step


def _count_steps(
    database: sqlite3.Connection, index: str, where: str, values: list[Any], query: CountQuery
) -> Iterator[EntryCount]:
    is_bounded = query.since is not None and query.until is not None and query.step is not None
    if is_bounded and _number_of_steps(query) <= MAX_FEW_STEPS:
        yield from _count_few_steps(database, index, where, values, query)
        return
    step = "NULL"
    if query.step is not None and query.since is not None:
        begin, seconds = query.since.timestamp(), query.step.total_seconds()
        step = f"CAST((at - {begin!r}) / {seconds!r} AS INTEGER)"
    bounds = [
        f"at {comparison} {instant.timestamp()!r}"
        for comparison, instant in ((">=", query.since), ("<", query.until))
        if instant is not None
    ]
    condition = " AND ".join([where, *bounds])
    # Column names and numbers are ours; values from outside are bound.
    table = f"entries INDEXED BY {index} WHERE {condition}"
    sql = f"SELECT {step} AS step, state, count(*) FROM {table} GROUP BY step, state"  # noqa: S608
    for number, state, count in database.execute(sql, values):
        start = None
        if number is not None and query.since is not None and query.step is not None:
            start = query.since + timedelta(seconds=number * query.step.total_seconds())
        yield EntryCount(start, _text(state), count)


def _number_of_steps(query: CountQuery) -> float:
    assert query.since is not None and query.until is not None and query.step is not None
    return (query.until - query.since) / query.step


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
