"""Contention in a forecast: its busiest moments, and runs that block each other."""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

from attrs import evolve, frozen

from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import (
    MaxOverlap,
    MaxParallel,
    NeedRunning,
    Overlapping,
    QueueFull,
    Replaced,
    ResourceBusy,
    ResourceReserved,
)
from rae_auto.model.run import Run
from rae_auto.simulation.forecast import Forecast

CONTENTION_REASONS = (
    Overlapping,
    QueueFull,
    MaxOverlap,
    Replaced,
    MaxParallel,
    ResourceBusy,
    ResourceReserved,
    NeedRunning,
)
"""Why a run waits, is skipped or is cut short where other runs are the cause."""


@frozen
class Peak:
    """The attempts that ran together from `at` until something ended; `jobs` has the job of each."""

    at: datetime
    jobs: tuple[JobId, ...]


@frozen
class Collision:
    """Contention of a job with other runs, by reason: how often, when first, and how long a run had
    to wait at most."""

    job: JobId
    reason: str
    times: int
    first_at: datetime
    max_wait: timedelta


def busiest(forecast: Forecast, count: int = 5) -> tuple[Peak, ...]:
    """Return the moments with the most active attempts, at least two; the earliest of equal ones."""
    spans = [(since, until, seen.run.job) for seen in forecast.runs for since, until in _spans(seen.run, forecast)]
    steps = sorted([(since, 1) for since, _, _ in spans] + [(until, -1) for _, until, _ in spans])
    peaks: list[tuple[int, datetime]] = []
    running = before = 0
    rising_since: datetime | None = None
    for at, group in groupby(steps, key=lambda step: step[0]):
        running += sum(change for _, change in group)
        if running > before:
            rising_since = at
        elif running < before and rising_since is not None:
            peaks.append((before, rising_since))
            rising_since = None
        before = running
    most = heapq.nsmallest(count, (peak for peak in peaks if peak[0] > 1), key=lambda peak: (-peak[0], peak[1]))
    return tuple(Peak(at, tuple(sorted(job for since, until, job in spans if since <= at < until))) for _, at in most)


def _spans(run: Run, forecast: Forecast) -> Iterator[tuple[datetime, datetime]]:
    """Return the begin and the end of each attempt of the run."""
    for attempt in run.attempts:
        yield attempt.started_at, attempt.finished_at
    if run.state.active and run.attempt_started_at is not None:
        yield run.attempt_started_at, forecast.scenario.end


def collisions(forecast: Forecast) -> tuple[Collision, ...]:
    """Return contention by job and reason, most frequent first."""
    found: dict[tuple[JobId, str], Collision] = {}
    for job, reason, at, wait in _obstacles(forecast):
        known = found.get((job, reason), Collision(job, reason, 0, at, wait))
        found[job, reason] = evolve(
            known,
            times=known.times + 1,
            first_at=min(known.first_at, at),
            max_wait=max(known.max_wait, wait),
        )
    return tuple(sorted(found.values(), key=lambda collision: (-collision.times, collision.job, collision.reason)))


def _obstacles(forecast: Forecast) -> Iterator[tuple[JobId, str, datetime, timedelta]]:
    none = timedelta(0)
    for skip in forecast.skips:
        for _ in range(skip.count if isinstance(skip.reason, CONTENTION_REASONS) else 0):
            yield skip.job, skip.reason.code, skip.decided_at, none
    for seen in forecast.runs:
        run = seen.run
        if isinstance(seen.wait, CONTENTION_REASONS):
            waited = (run.started_at or run.finished_at or forecast.scenario.end) - run.queued_at
            yield run.job, seen.wait.code, run.queued_at, waited
        if isinstance(run.reason, Replaced):
            yield run.job, run.reason.code, run.finished_at or run.queued_at, none
