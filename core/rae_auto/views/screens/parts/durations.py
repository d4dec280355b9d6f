"""The usual duration of a job's runs."""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil

from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.parts.base import UsualDuration
from rae_auto.views.screens.parts.record_source import RecordSource

EXAMINED_RUNS = 60
"""Number of successful runs of a job, the newest, that say what is usual."""


async def find_usual_durations(source: RecordSource, jobs: Sequence[str]) -> dict[str, UsualDuration | None]:
    """Return how long runs of jobs usually take; None for jobs of which none has succeeded."""
    found = await source.durations(jobs, limit=EXAMINED_RUNS)
    return {job: summarize_durations(durations) for job, durations in found.items()}


def usual_duration(runs: Sequence[Run]) -> UsualDuration | None:
    """Return how long these runs took, those that succeeded; None if there are none."""
    succeeded = (run.duration for run in runs if run.state == RunState.SUCCEEDED)
    return summarize_durations([duration for duration in succeeded if duration is not None])


def summarize_durations(found: Sequence[timedelta]) -> UsualDuration | None:
    """Return what is usual among these durations; None if there are none."""
    durations = sorted(found)
    if not durations:
        return None
    return UsualDuration(percentile(durations, 50), percentile(durations, 95), len(durations))


def percentile(ordered: Sequence[timedelta], percent: int) -> timedelta:
    """Return the value, by nearest rank, that this share (in percent) of the values doesn't exceed."""
    return ordered[max(ceil(len(ordered) * percent / 100) - 1, 0)]
