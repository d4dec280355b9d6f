"""Trends of a job's runs: duration, lateness, processor time and memory, week by week or day by day."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

from attrs import frozen

from rae_auto.records.run_figures import RunFigures
from rae_auto.views.screens.parts.base import Extent

MAX_POINTS = 48
"""Number of points of a trend."""


@frozen(kw_only=True)
class TrendPoint:
    """The values of the runs that were queued in a step of time: half are at most `p50`, all but a twentieth `p95`."""

    start: datetime
    runs: int
    p50: float
    p95: float


@frozen(kw_only=True)
class Trends:
    """Trends over the same steps of time. Durations, lateness and processor time in seconds, memory in bytes."""

    step: timedelta
    duration: tuple[TrendPoint, ...]
    lateness: tuple[TrendPoint, ...]
    cpu_time: tuple[TrendPoint, ...]
    memory: tuple[TrendPoint, ...]
    extent: Extent
    """The part of the job's runs that the trends are made of."""


def build_trends(figures: Sequence[RunFigures], total: int, now: datetime) -> Trends:
    """Return the trends of runs, given newest first; `total` is the number of all that are over and weren't skipped."""
    first = min((one.queued_at for one in figures), default=now)
    # Some are later than now, after a step of the clock back.
    step = _step_of(max((one.queued_at for one in figures), default=now) - first)
    origin = first.replace(hour=0, minute=0, second=0, microsecond=0)
    numbers = [(one.queued_at - origin) // step for one in figures]

    def points(values: Sequence[float | None]) -> tuple[TrendPoint, ...]:
        return _points(numbers, values, origin, step)

    return Trends(
        step=step,
        duration=points([_seconds(one.duration) for one in figures]),
        lateness=points([_seconds(one.lateness) for one in figures]),
        cpu_time=points([_seconds(one.cpu_time) for one in figures]),
        memory=points([one.memory for one in figures]),
        extent=Extent(len(figures), max(total, len(figures)), first if figures else None),
    )


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()


def _step_of(span: timedelta) -> timedelta:
    """Return whole days so that `MAX_POINTS` steps cover the span, or whole hours for a day or two."""
    if span <= timedelta(hours=MAX_POINTS):
        return timedelta(hours=1)
    return timedelta(days=ceil((span + timedelta(days=1)) / timedelta(days=1) / MAX_POINTS))


def _points(
    numbers: Sequence[int], values: Sequence[float | None], origin: datetime, step: timedelta
) -> tuple[TrendPoint, ...]:
    """Return a point for each step that has values, given the number of the step of each value."""
    steps: dict[int, list[float]] = {}
    for number, value in zip(numbers, values, strict=True):
        if value is not None:
            steps.setdefault(number, []).append(value)
    points = []
    for number, found in sorted(steps.items()):
        found.sort()
        p50, p95 = (found[max(ceil(len(found) * percent / 100) - 1, 0)] for percent in (50, 95))
        points.append(TrendPoint(start=origin + step * number, runs=len(found), p50=p50, p95=p95))
    return tuple(points)
