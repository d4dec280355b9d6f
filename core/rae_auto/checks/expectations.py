"""Advice on what is expected of a job: a success can't come more often than its schedules start it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.config.advice import CheckedJob
from rae_auto.model.primitives.problems import Problem
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.primitives.zones import zone

EXAMINED_SPAN = timedelta(days=400)
MAX_EXAMINED_INSTANTS = 1000
"""Number of instants of a schedule that are looked at: those of a daily one for more than a year."""


def find_long_gap(job: CheckedJob, now: datetime) -> Iterator[Problem]:
    """Yield a warning if the schedules leave a gap in which the job becomes overdue though nothing is wrong."""
    limit = job.job.expect.limit
    triggers = list(job.triggers.values())
    schedules = [trigger for trigger in triggers if isinstance(trigger, ScheduleTrigger)]
    knows_all = len(schedules) == len(triggers) and job.unknown.isdisjoint(("schedule", "trigger", "triggers"))
    if limit is None or not schedules or not knows_all or not job.job.enabled:
        return
    try:
        gap = _first_gap_over(limit, schedules, now)
    except Exception:
        return  # a matter of the quarantine when it runs
    if gap is not None:
        where, (begin, end) = zone(job.timezone), gap
        what = (
            f"the schedule starts nothing from {_local(begin, where)} until {_local(end, where)}, longer than every "
            f"and grace ({format_duration(limit)}), so the job will be overdue with nothing wrong; raise one of them"
        )
        yield Problem(("expect", "every"), what)


def _first_gap_over(
    limit: timedelta, schedules: Sequence[ScheduleTrigger], now: datetime
) -> tuple[datetime, datetime] | None:
    instants = merge(*(_instants(schedule, now) for schedule in schedules))
    pairs = islice(pairwise(instants), MAX_EXAMINED_INSTANTS)
    return next(((begin, end) for begin, end in pairs if end - begin > limit), None)


def _instants(schedule: ScheduleTrigger, now: datetime) -> Iterable[datetime]:
    instant = schedule.next_after(now)
    while instant is not None and instant - now <= EXAMINED_SPAN:
        yield instant
        instant = schedule.next_after(instant)


def _local(instant: datetime, where: ZoneInfo) -> str:
    return instant.astimezone(where).strftime("%Y-%m-%d %H:%M")
