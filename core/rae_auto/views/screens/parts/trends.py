"""Trends of a job's runs: duration, lateness, processor time and memory, week by week or day by day."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import ceil

from attrs import frozen

from rae_auto.model.reasons import CaughtUp
from rae_auto.model.run import Run, RunState
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


def build_trends(runs: Sequence[Run], total: int, now: datetime) -> Trends:
    """Return the trends of runs, given newest first; `total` is the number of all that are over and weren't skipped."""
    over = [run for run in runs if run.state.final and run.state is not RunState.SKIPPED]
    first = min((run.queued_at for run in over), default=now)
    # Some are later than now, after a step of the clock back.
    step = _step_of(max((run.queued_at for run in over), default=now) - first)
    origin = first.replace(hour=0, minute=0, second=0, microsecond=0)

    def points(value: Callable[[Run], float | None]) -> tuple[TrendPoint, ...]:
        return _points(over, value, origin, step)

    return Trends(
        step=step,
        duration=points(lambda run: None if run.duration is None else run.duration.total_seconds()),
        lateness=points(_lateness),
        cpu_time=points(_cpu_time),
        memory=points(_memory),
        extent=Extent(len(over), max(total, len(over)), first if over else None),
    )


def _step_of(span: timedelta) -> timedelta:
    """Return whole days so that `MAX_POINTS` steps cover the span, or whole hours for a day or two."""
    if span <= timedelta(hours=MAX_POINTS):
        return timedelta(hours=1)
    return timedelta(days=ceil((span + timedelta(days=1)) / timedelta(days=1) / MAX_POINTS))


def _points(
    runs: Sequence[Run], value: Callable[[Run], float | None], origin: datetime, step: timedelta
) -> tuple[TrendPoint, ...]:
    steps: dict[int, list[float]] = {}
    for run in runs:
        if (found := value(run)) is not None:
            steps.setdefault((run.queued_at - origin) // step, []).append(found)
    return tuple(
        TrendPoint(start=origin + step * number, runs=len(values), p50=_nearest(values, 50), p95=_nearest(values, 95))
        for number, values in sorted(steps.items())
    )


def _nearest(values: Sequence[float], percent: int) -> float:
    return sorted(values)[max(ceil(len(values) * percent / 100) - 1, 0)]


def _lateness(run: Run) -> float | None:
    if run.started_at is None or isinstance(run.cause, CaughtUp):
        return None
    return max((run.started_at - run.scheduled_for).total_seconds(), 0.0)


def _cpu_time(run: Run) -> float | None:
    times = [a.result.cpu_time.total_seconds() for a in run.attempts if a.result and a.result.cpu_time is not None]
    return sum(times) if times else None


def _memory(run: Run) -> float | None:
    return max(
        (a.result.max_memory for a in run.attempts if a.result and a.result.max_memory is not None), default=None
    )
