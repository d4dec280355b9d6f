"""Numbers of entries in the SQLite store, from its indexes and the table of counts: no entry is read."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from rae_auto.api.store import CountQuery, EntryCount

MAX_FEW_STEPS_OF_JOB, MAX_FEW_STEPS = 50, 150
"""Numbers of steps up to which each is counted by itself, in the entries of a job and in those of all jobs.

That spares the sorting of all entries by their steps, which takes most of the time where there are many; a job has few.
"""

MIN_ENTRIES_OF_STEP = 25
"""Number of entries for each step from which that is so; with fewer, as many statements as steps take longer."""

# From each state the index leads to the next one. A plain DISTINCT reads a row for each job.
_STATES = """WITH RECURSIVE found(state) AS (
    SELECT min(state) FROM entries INDEXED BY entries_by_state WHERE log = ?
    UNION ALL
    SELECT (SELECT min(state) FROM entries INDEXED BY entries_by_state WHERE log = ? AND state > found.state)
    FROM found WHERE state IS NOT NULL
) SELECT state FROM found WHERE state IS NOT NULL"""


def count_entries(database: sqlite3.Connection, log: str, query: CountQuery) -> list[EntryCount]:
    """Return how many entries a query counts, by state and step. Errors: sqlite3.Error."""
    if query.since is None and query.until is None and query.step is None:
        return _count_all(database, log, query.job)
    if query.job is not None:
        where = "entries INDEXED BY entries_by_job WHERE log = ? AND job = ?"
        return list(_count_steps(database, where, [log, query.job], query, MAX_FEW_STEPS_OF_JOB))
    # Each state by itself, so that the index that begins with the state has all that is needed, in its order.
    states = database.execute(_STATES, (log, log)).fetchall()
    where = "entries INDEXED BY entries_by_state WHERE log = ? AND state = CAST(? AS TEXT)"
    return [
        found
        for (state,) in states
        for found in _count_steps(database, where, [log, state], query, MAX_FEW_STEPS, _text(state))
    ]


def _count_all(database: sqlite3.Connection, log: str, job: str | None) -> list[EntryCount]:
    where, values = ("log = ?", [log]) if job is None else ("log = ? AND job = ?", [log, job])
    sql = f"SELECT state, sum(count) FROM entry_counts WHERE {where} GROUP BY state"  # noqa: S608 - names of ours
    return [EntryCount(None, _text(state), count) for state, count in database.execute(sql, values)]


def _count_steps(
    database: sqlite3.Connection,
    where: str,
    values: Sequence[Any],
    query: CountQuery,
    max_few_steps: int,
    state: str | None = None,
) -> Iterator[EntryCount]:
    """Count the entries of a table with a condition; `state` is the one that all of them have, or None."""
    since, until, step = query.since, query.until, query.step
    if step is None or since is None:
        yield from _count_span(database, where, values, since, until, state)
    elif (
        until is not None
        and (steps := (until - since) / step) <= max_few_steps
        and _has_entries(database, where, values, query, int(steps * MIN_ENTRIES_OF_STEP))
    ):
        begin = since
        while begin < until:
            end = min(begin + step, until)
            for found in _count_span(database, where, values, begin, end, state):
                yield evolve(found, start=begin)
            begin += step
    else:
        condition, instants = _bounds(since, until)
        number = f"CAST((at - {since.timestamp()!r}) / {step.total_seconds()!r} AS INTEGER)"
        # Names of columns and numbers are ours; values from outside are bound.
        sql = f"SELECT {number} AS step, state, count(*) FROM {where}{condition} GROUP BY step, state"  # noqa: S608
        for at, of_state, count in database.execute(sql, (*values, *instants)):
            yield EntryCount(since + step * at, _text(of_state), count)


def _has_entries(
    database: sqlite3.Connection, where: str, values: Sequence[Any], query: CountQuery, least: int
) -> bool:
    """Return whether there are at least so many entries in the span of a query."""
    condition, instants = _bounds(query.since, query.until)
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {where}{condition} LIMIT ?)"  # noqa: S608 - names of ours
    (count,) = database.execute(sql, (*values, *instants, least)).fetchone()
    return bool(count >= least)


def _count_span(
    database: sqlite3.Connection,
    where: str,
    values: Sequence[Any],
    since: datetime | None,
    until: datetime | None,
    state: str | None,
) -> Iterator[EntryCount]:
    condition, instants = _bounds(since, until)
    if state is None:
        sql = f"SELECT state, count(*) FROM {where}{condition} GROUP BY state"  # noqa: S608 - names of ours
        for of_state, count in database.execute(sql, (*values, *instants)):
            yield EntryCount(None, _text(of_state), count)
        return
    # Grouping takes as long again as counting.
    sql = f"SELECT count(*) FROM {where}{condition}"  # noqa: S608 - names of ours
    (count,) = database.execute(sql, (*values, *instants)).fetchone()
    if count:
        yield EntryCount(None, state, count)


def _bounds(since: datetime | None, until: datetime | None) -> tuple[str, list[float]]:
    """Return the condition for a span, and its values."""
    bounds = [(" AND at >= ?", since), (" AND at < ?", until)]
    given = [(condition, instant.timestamp()) for condition, instant in bounds if instant is not None]
    return "".join(condition for condition, _ in given), [instant for _, instant in given]


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
