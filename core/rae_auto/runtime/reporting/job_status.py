"""The status of jobs, read from the engine."""

from rae_auto.engine.engine import Engine
from rae_auto.engine.plan import JobOrigin
from rae_auto.engine.state import JobEntry
from rae_auto.engine.time.cursors import counting_points
from rae_auto.model.job_info import JobActivity, JobInfo, JobStatus
from rae_auto.model.run import RunState
from rae_auto.model.schedule import has_instants
from rae_auto.registry.factory import PluginFactory


def job_status_of(engine: Engine, entry: JobEntry) -> JobStatus:
    """Return the status of a job."""
    job, state = entry.job, entry.state
    opened = [o.run for o in engine.runs(job.id)]
    return JobStatus(
        job=job.id,
        activity=_activity({run.state for run in opened}, entry, engine),
        enabled=job.enabled,
        paused=state.paused,
        open=tuple(run.id for run in opened),
        next_at=engine.next_at(job.id),
        last_state=state.last_state,
        last_run=state.last_run,
        last_finished_at=state.last_finished_at,
        failures=state.failures,
        paused_until=state.paused_until,
        pause_note=state.pause_note,
        skips=state.skips,
        expected_by=None if state.expectation is None else state.expectation.expected_by(job.expect),
        overdue_at=None if state.expectation is None else state.expectation.overdue_at,
        overrunning=tuple(run.id for run in opened if run.overran_at is not None),
        delayed_until=engine.delayed_until(job.id),
        counts_from=counting_points(entry.plan, state.cursors),
    )


def _activity(states: set[RunState], entry: JobEntry, engine: Engine) -> JobActivity:
    if states & {RunState.STARTING, RunState.RUNNING}:
        return JobActivity.RUNNING
    if RunState.RETRYING in states:
        return JobActivity.RETRYING
    if states:
        return JobActivity.QUEUED
    if not entry.job.enabled:
        return JobActivity.DISABLED
    if entry.state.paused:
        return JobActivity.PAUSED
    return JobActivity.DONE if _is_done(entry, engine) else JobActivity.IDLE


def _is_done(entry: JobEntry, engine: Engine) -> bool:
    """Return whether a job that is neither paused nor disabled has schedules alone, and none of their instants left."""
    has_schedules_alone = 0 < len(entry.plan.schedules) == len(entry.job.schedule)
    is_at_work = engine.settings_enabled and not engine.is_stopping
    is_known = has_schedules_alone and is_at_work and not entry.plan.run_points
    is_over = is_known and engine.next_at(entry.job.id) is None
    return is_over and any(map(has_instants, entry.plan.schedules.values()))


def job_info_of(engine: Engine, entry: JobEntry, plugins: PluginFactory) -> JobInfo:
    """Return the row of a job in a list."""
    job = entry.job
    return JobInfo(
        id=job.id,
        name=job.name,
        origin=entry.plan.origin.value,
        schedule=entry.plan.summaries or tuple(ref.type for ref in job.schedule),
        priority=job.priority,
        status=job_status_of(engine, entry),
        added_by=entry.state.added_by if entry.plan.origin is JobOrigin.STORE else None,
        problems=plugins.job_problems(entry.plan),
        guards=tuple(entry.plan.guard_summaries.get(ref.id, ref.type) for ref in job.guards),
        executor=entry.plan.executor_summary or job.executor_ref.type,
    )
