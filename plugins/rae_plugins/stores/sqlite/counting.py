"""Numbers of entries in the SQLite store, from its indexes and the table of counts: no entry is read."""

import sqlite3
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from attrs import evolve

from rae_auto.api.store import CountQuery, EntryCount, StoreReader

MIN_ENTRIES_OF_STEP, MIN_ENTRIES_OF_STEP_OF_JOB = 8, 25
"""Numbers of entries for each step from which each step is looked up in the index, instead of each entry in its step.

They are those of all jobs, and of one, whose index has all states together.
"""

MAX_STEPS, MAX_STEPS_OF_JOB = 10_000, 50
"""Numbers of steps up to which that is so, in the entries of all jobs and in those of one, which has few."""

# From each state the index leads to the next one. A plain DISTINCT reads a row for each job.
_STATES = """WITH RECURSIVE found(state) AS (
    SELECT min(state) FROM entries INDEXED BY entries_by_state WHERE log = ?
    UNION ALL
    SELECT (SELECT min(state) FROM entries INDEXED BY entries_by_state WHERE log = ? AND state > found.state)
    FROM found WHERE state IS NOT NULL
) SELECT state FROM found WHERE state IS NOT NULL"""

_OF_STATE = "entries INDEXED BY entries_by_state WHERE log = ? AND state = CAST(? AS TEXT)"

_IN_SPAN = f"{_OF_STATE} AND at >= ? AND at < ?"


class EntryCounter(StoreReader):
    """Counts entries without reading any."""

    @abstractmethod
    def _using(self) -> AbstractContextManager[sqlite3.Connection]:
        """Return a connection, for the time of a `with` block."""

    def count(self, log: str, query: CountQuery) -> list[EntryCount]:
        """Return the numbers of entries, from the indexes."""
        with self._using() as database:
            return _count_entries(database, log, query)

    def count_each_step(self, log: str, query: CountQuery) -> dict[str, list[int]]:
        """Return the numbers of entries in each step, from the indexes."""
        if query.job is not None or query.number_of_steps > MAX_STEPS:
            return super().count_each_step(log, query)
        with self._using() as database:
            return _count_each_step(database, log, query)


def _count_entries(database: sqlite3.Connection, log: str, query: CountQuery) -> list[EntryCount]:
    since, until, step = query.since, query.until, query.step
    if since is None and until is None and step is None:
        return _count_all(database, log, query.job)
    if query.job is not None:
        return list(_count_of_job(database, [log, query.job], query))
    if since is not None and until is not None and step is not None and query.number_of_steps <= MAX_STEPS:
        return [
            EntryCount(since + step * number, state, count)
            for state, counts in _count_each_step(database, log, query).items()
            for number, count in enumerate(counts)
            if count
        ]
    # Each state by itself, so that the index that begins with the state has all that is needed, in its order.
    return [
        found
        for state in _find_states(database, log)
        for found in _count_in(database, _OF_STATE, [log, state], query, _text(state))
    ]


def _count_each_step(database: sqlite3.Connection, log: str, query: CountQuery) -> dict[str, list[int]]:
    since, until, step = query.since, query.until, query.step
    assert since is not None and until is not None and step is not None
    size, found = query.number_of_steps, dict[str, list[int]]()
    span, least = (since.timestamp(), until.timestamp()), max(size * MIN_ENTRIES_OF_STEP, 1)
    for state in _find_states(database, log):
        number = _count_up_to(database, _OF_STATE, [log, state], query, least)
        if number:
            count = _look_up_steps if number >= least else _sort_into_steps
            found[_text(state)] = count(database, (log, state), span, step.total_seconds(), size)
    return found


def _count_up_to(database: sqlite3.Connection, where: str, values: Sequence[Any], query: CountQuery, most: int) -> int:
    """Return the number of entries in the span of a query; of more than `most` that."""
    condition, instants = _bounds(query)
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {where}{condition} LIMIT ?)"  # noqa: S608 - names of ours
    ((count,),) = database.execute(sql, (*values, *instants, most))
    return int(count)


def _find_states(database: sqlite3.Connection, log: str) -> list[Any]:
    return [state for (state,) in database.execute(_STATES, (log, log))]


def _look_up_steps(
    database: sqlite3.Connection, names: Sequence[Any], span: tuple[float, float], step: float, size: int
) -> list[int]:
    """Return the number of entries in each step by looking up where it begins and ends in the index."""
    since, until = span
    sql = f"""WITH RECURSIVE steps(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n + 1 < ?)
    SELECT (SELECT count(*) FROM {_OF_STATE} AND at >= ? + n * ? AND at < min(? + (n + 1) * ?, ?)) FROM steps"""  # noqa: S608
    values = (size, *names, since, step, since, step, until)
    return [count for (count,) in database.execute(sql, values)]


def _sort_into_steps(
    database: sqlite3.Connection, names: Sequence[Any], span: tuple[float, float], step: float, size: int
) -> list[int]:
    """Return the number of entries in each step from the steps of all of them.

    They come as one text, because SQLite would sort them for a GROUP BY, and a row takes as long as three numbers.
    """
    steps = f"SELECT group_concat(CAST((at - ?) / ? AS INTEGER)) FROM {_IN_SPAN}"  # noqa: S608 - names of ours
    ((found,),) = database.execute(steps, (span[0], step, *names, *span))
    numbers = [0] * size
    for number, count in Counter(_text(found).split(",")).items():
        numbers[int(number)] = count
    return numbers


def _count_all(database: sqlite3.Connection, log: str, job: str | None) -> list[EntryCount]:
    where, values = ("log = ?", [log]) if job is None else ("log = ? AND job = ?", [log, job])
    sql = f"SELECT state, sum(count) FROM entry_counts WHERE {where} GROUP BY state"  # noqa: S608 - names of ours
    return [EntryCount(None, _text(state), count) for state, count in database.execute(sql, values)]


def _count_of_job(database: sqlite3.Connection, values: Sequence[Any], query: CountQuery) -> Iterator[EntryCount]:
    where = "entries INDEXED BY entries_by_job WHERE log = ? AND job = ?"
    since, until, step = query.since, query.until, query.step
    if since is None or until is None or step is None or query.number_of_steps > MAX_STEPS_OF_JOB:
        yield from _count_in(database, where, values, query)
        return
    least = query.number_of_steps * MIN_ENTRIES_OF_STEP_OF_JOB
    if _count_up_to(database, where, values, query, least) < least:
        yield from _count_in(database, where, values, query)
        return
    while since < until:
        part = evolve(query, since=since, until=min(since + step, until), step=None)
        for found in _count_in(database, where, values, part):
            yield evolve(found, start=since)
        since += step


def _count_in(
    database: sqlite3.Connection, where: str, values: Sequence[Any], query: CountQuery, state: str | None = None
) -> Iterator[EntryCount]:
    """Count the entries of a table with a condition; `state` is the one that all of them have, or None."""
    since, step = query.since, query.step
    if step is None or since is None:
        yield from _count_span(database, where, values, query, state)
        return
    condition, instants = _bounds(query)
    number = f"CAST((at - {since.timestamp()!r}) / {step.total_seconds()!r} AS INTEGER)"
    # Names of columns and numbers are ours; values from outside are bound.
    sql = f"SELECT {number} AS step, state, count(*) FROM {where}{condition} GROUP BY step, state"  # noqa: S608
    for at, of_state, count in database.execute(sql, (*values, *instants)):
        yield EntryCount(since + step * at, _text(of_state), count)


def _count_span(
    database: sqlite3.Connection, where: str, values: Sequence[Any], query: CountQuery, state: str | None
) -> Iterator[EntryCount]:
    condition, instants = _bounds(query)
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


def _bounds(query: CountQuery) -> tuple[str, list[float]]:
    """Return the condition for the span of a query, and its values."""
    bounds: list[tuple[str, datetime | None]] = [(" AND at >= ?", query.since), (" AND at < ?", query.until)]
    given = [(condition, instant.timestamp()) for condition, instant in bounds if instant is not None]
    return "".join(condition for condition, _ in given), [instant for _, instant in given]


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
