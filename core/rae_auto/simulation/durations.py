"""Durations of attempts that a forecast assumes where nothing is known."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rae_auto.engine.plan import Plan

ASSUMED_DURATION = timedelta(seconds=10)
"""The duration of an attempt of which nothing is known, unless its timeout or its schedule says that it is shorter."""


def assume_duration(plan: Plan, start: datetime) -> timedelta:
    """Return how long an attempt of a job takes that nothing is known of.

    A job is meant to end before its timeout and before it is due again, so at most half of that time.
    """
    limits = [plan.job.timeout] if plan.job.timeout else []
    limits += _intervals(plan, start)
    return min([ASSUMED_DURATION, *(limit / 2 for limit in limits)])


def _intervals(plan: Plan, start: datetime) -> Iterator[timedelta]:
    """Yield the time between the first two instants of each schedule."""
    for schedule in plan.schedules.values():
        first = schedule.next_after(start)
        second = None if first is None else schedule.next_after(first)
        if first is not None and second is not None:
            yield second - first
