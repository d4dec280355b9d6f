"""The usual duration of a job's runs, as screens show it."""

from collections.abc import Sequence

from rae_auto.model.figures.durations import EXAMINED_RUNS, UsualDuration, summarize_durations
from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.parts.record_source import RecordSource


async def find_usual_durations(source: RecordSource, jobs: Sequence[str]) -> dict[str, UsualDuration | None]:
    """Return how long runs of jobs usually take; None for jobs of which none has succeeded."""
    found = await source.durations(jobs, limit=EXAMINED_RUNS)
    return {job: summarize_durations(durations) for job, durations in found.items()}


def usual_duration(runs: Sequence[Run]) -> UsualDuration | None:
    """Return how long these runs took, those that succeeded; None if there are none."""
    succeeded = (run.duration for run in runs if run.state == RunState.SUCCEEDED)
    return summarize_durations([duration for duration in succeeded if duration is not None])
