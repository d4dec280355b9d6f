"""Needs: the latest runs of needed jobs must have succeeded before a job may start."""

from rae_auto.engine.state import EngineState
from rae_auto.model.job import Job
from rae_auto.model.reasons import Cause, Manual, NeedFailed, NeedNeverRan, NeedRunning
from rae_auto.model.run import RunState


def is_forced(cause: Cause) -> bool:
    """Tell whether a run is to start whatever the state of the jobs is that it needs."""
    return isinstance(cause, Manual) and cause.forced


def find_running_need(state: EngineState, job: Job) -> NeedRunning | None:
    """Return a needed job that still has an open run: its result is not known yet."""
    return next((NeedRunning(need) for need in job.needs if need in state.runs_of), None)


def find_unmet_need(state: EngineState, job: Job) -> NeedFailed | NeedNeverRan | None:
    """Return a needed job whose latest run did not succeed, or that never ran."""
    for need in job.needs:
        entry = state.jobs.get(need)
        last_state = entry and entry.state.last_state
        if last_state is not RunState.SUCCEEDED:
            return NeedNeverRan(need) if last_state is None else NeedFailed(need)
    return None
