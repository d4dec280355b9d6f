"""Occurrences that were missed: by downtime, suspend, or a clock that was set forward."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.model.job import Job
from rae_auto.model.policies import CatchUp
from rae_auto.model.schedule import Schedule

TOLERANCE = timedelta(seconds=60)
"""The latest occurrence is merely late up to this, and missed from then on. All before it were missed."""

LOOK_BACK = timedelta(days=400)
"""How far back the last instant of a schedule is looked for."""

LIMIT = 100
"""How many missed occurrences are looked at: the latest ones."""


STAGGER = timedelta(milliseconds=500)
LONGEST_STAGGER = timedelta(seconds=60)
"""How far apart the jobs that catch up together start, and within what time the last of them does."""


@frozen
class DueSpan:
    """The latest occurrences due in a span, ascending.

    `older` is the one before them, where there are more; `next` the first one after the span.
    """

    instants: tuple[datetime, ...]
    older: datetime | None = None
    next: datetime | None = None


def occurrences(schedule: Schedule, first: datetime, now: datetime) -> DueSpan:
    """What fell due from `first` (the earliest one due) until `now`, at most `LIMIT`.

    Found from the end by doubling strides, so that years of downtime cost no more than a day.
    """
    stride = timedelta(seconds=1)
    while True:
        start = now - stride
        if start < first:
            return _between(schedule, first, now)
        next_one = schedule.next_after(start)
        if next_one is not None:
            found = _between(schedule, next_one, now)
            if found.older is not None:
                return found
        stride *= 2


def due_around(schedules: Iterable[Schedule], at: datetime) -> tuple[datetime | None, datetime | None]:
    """The last instant up to `at`, and the first one after it, at which any of the schedules is due."""
    before, after = [], []
    for schedule in schedules:
        found = schedule.next_after(at)
        after += [] if found is None else [found]
        earliest = schedule.next_after(at - LOOK_BACK)
        if earliest is not None and earliest <= at:
            before.append(occurrences(schedule, earliest, at).instants[-1])
    return max(before, default=None), min(after, default=None)


def _between(schedule: Schedule, first: datetime, now: datetime) -> DueSpan:
    instants = []
    instant: datetime | None = first
    while instant is not None and instant <= now:
        instants.append(instant)
        instant = schedule.next_after(instant)
    older = instants[-LIMIT - 1] if len(instants) > LIMIT else None
    return DueSpan(tuple(instants[-LIMIT:]), older, instant)


def chosen(job: Job, due: DueSpan, now: datetime) -> frozenset[datetime]:
    """Those of the occurrences that the job's policy lets run."""
    window = TOLERANCE if job.catch_up is CatchUp.NONE else max(TOLERANCE, job.catch_up_window)
    recent = [instant for instant in due.instants if now - instant <= window]
    return frozenset(recent if job.catch_up is CatchUp.ALL else recent[-1:])


class Spread:
    """Delays that keep what is caught up together from becoming a stampede; the first has none."""

    def __init__(self, jobs: int) -> None:
        self._step = min(STAGGER, LONGEST_STAGGER / max(jobs, 1))
        self._given = 0

    def next_delay(self) -> timedelta:
        """The delay of the next run."""
        self._given += 1
        return min(self._step * (self._given - 1), LONGEST_STAGGER)
