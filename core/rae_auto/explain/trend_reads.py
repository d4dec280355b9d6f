"""The figures of all runs of a job on record, grouped where the records are: hour by hour, day by day or in weeks.

A job has a thousand runs on record and more, and a trend some dozen points. So one question reads them, and what
travels is a median and a 95th percentile of each group.
"""

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice, pairwise, takewhile
from math import ceil
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, field

from rae_auto.api.store import CountQuery, LogQuery, StoreReader
from rae_auto.explain.screen_reads import count_entries
from rae_auto.model import documents
from rae_auto.model.figures.durations import percentile
from rae_auto.model.run import RunState
from rae_auto.records.run_figures import MEASURED_STATES, RunFigures, read_figures

MAX_TREND_RUNS = 10_000
"""Number of runs, the newest, that trends are made of: five times as many as are kept of a job by default."""

MAX_HOURS, MAX_DAYS, MAX_WEEKS = 48, 60, 60
"""The longest spans whose groups are hours, days and weeks; longer ones have groups of several weeks."""

MAX_KNOWN_JOBS = 4
"""Number of jobs whose trends are kept, some ten kilobytes each."""

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)

NO_TRENDS: dict[str, Any] = {
    "counts": [], "runs": 0, "since": None, "step": HOUR.total_seconds(), "durations": [],
    "duration": [], "lateness": [], "cpu_time": [], "memory": [],
}  # fmt: skip
"""The answer before there is a store."""


@define(eq=False)
class KnownTrends:
    """The trends that were read last: a page that follows changes asks for the same ones again and again.

    They are read again once the job has another newest run or another number of runs in some state. Runs that are over
    don't change.
    """

    _known: dict[Hashable, tuple[Any, dict[str, Any]]] = field(init=False, factory=dict)

    def read(self, store: StoreReader, jobs: Sequence[str], zone: ZoneInfo, max_durations: int) -> dict[str, Any]:
        """Return what `read_trends` does. Threads may call it at the same time."""
        newest = [body.get("id") for job in jobs for body in store.query(documents.RUNS, LogQuery(job=job, limit=1))]
        state = newest, count_entries(store, documents.RUNS, [CountQuery(job=job) for job in jobs])
        key = tuple(jobs), zone.key, max_durations
        known = self._known.pop(key, None)
        found = known[1] if known is not None and known[0] == state else read_trends(store, jobs, zone, max_durations)
        # The last one is the newest, so that the first one has not been used for longest.
        self._known[key] = state, found
        for other in list(self._known)[:-MAX_KNOWN_JOBS]:
            self._known.pop(other, None)
        return found


def read_trends(store: StoreReader, jobs: Sequence[str], zone: tzinfo, max_durations: int) -> dict[str, Any]:
    """Return the trends of a job, given by all ids that it had, by the clock of a zone, as JSON for the control socket.

    "counts" are the numbers of all its runs that are over; "runs" is how many of them the trends are made of. A point
    is the start of its group, the number of values, their median and their 95th percentile. "durations" are the
    newest ones of successful runs.
    """
    found: list[RunFigures] = []
    for job in jobs:
        query = LogQuery(job=job, states=MEASURED_STATES, limit=MAX_TREND_RUNS)
        found += (one for one in store.collect(documents.RUNS, query, read_figures) if one is not None)
    # They come newest first, but for those of several ids.
    found.sort(key=attrgetter("queued_at"))
    del found[:-MAX_TREND_RUNS]
    counts = count_entries(store, documents.RUNS, [CountQuery(job=job) for job in jobs])
    if not found:
        return {**NO_TRENDS, "counts": counts}
    first, last = found[0].queued_at, found[-1].queued_at
    step = choose_step(last - first)
    starts = list(takewhile(lambda start: start <= last, iterate_starts(first, step, zone)))
    places = [bisect_left(found, start, key=attrgetter("queued_at")) for start in starts]
    groups = [
        (start.isoformat(), found[begin:end])
        for start, (begin, end) in zip(starts, pairwise([*places, len(found)]), strict=True)
    ]
    return {
        "counts": counts,
        "runs": len(found),
        "since": first.isoformat(),
        "step": step.total_seconds(),
        "durations": _newest_durations(reversed(found), max_durations),
        "duration": list(_points((start, [one.duration for one in group]) for start, group in groups)),
        "lateness": list(_points((start, [one.lateness for one in group]) for start, group in groups)),
        "cpu_time": list(_points((start, [one.cpu_time for one in group]) for start, group in groups)),
        "memory": list(_points((start, [one.memory for one in group]) for start, group in groups)),
    }


def _newest_durations(found: Iterable[RunFigures], limit: int) -> list[float]:
    succeeded = (one.duration for one in found if one.state == RunState.SUCCEEDED)
    return list(islice((seconds for seconds in succeeded if seconds is not None), limit))


def choose_step(span: timedelta) -> timedelta:
    """Return the length of the groups of a span: an hour, a day, or one or more weeks."""
    if span <= HOUR * MAX_HOURS:
        return HOUR
    if span <= DAY * MAX_DAYS:
        return DAY
    return WEEK * max(ceil(span / WEEK / MAX_WEEKS), 1)


def iterate_starts(first: datetime, step: timedelta, zone: tzinfo) -> Iterator[datetime]:
    """Yield the instants at which groups begin, without end; `first` is in the first group.

    Days begin at midnight by the clock of the zone, and weeks on Mondays. A day that the zone skipped has no group.
    """
    local = first.astimezone(zone)
    if step < DAY:
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        start = first - into
        while True:
            yield start
            start += step
    yield from (one for one, after in pairwise(_midnights(local.date(), step, zone)) if one < after)


def _midnights(first: date, step: timedelta, zone: tzinfo) -> Iterator[datetime]:
    day = first if step < WEEK else first - timedelta(days=first.weekday())
    while True:
        yield datetime.combine(day, time(0), zone).astimezone(UTC)
        day += step


def _points(groups: Iterable[tuple[str, list[float | None]]]) -> Iterator[tuple[str, int, float, float]]:
    """Yield each group that has values: its start, their number, and what half and all but a twentieth don't exceed."""
    for start, values in groups:
        known = sorted([value for value in values if value is not None])
        if known:
            yield start, len(known), percentile(known, 50), percentile(known, 95)
