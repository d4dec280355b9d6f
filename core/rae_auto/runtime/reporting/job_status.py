"""The status and the description of jobs: of a running engine, or of a store (`offline.job_queries`)."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from rae_auto.engine.engine import Engine
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.engine.state import JobEntry
from rae_auto.engine.time.cursors import counting_points
from rae_auto.model.job_info import JobActivity, JobInfo, JobStatus
from rae_auto.model.job_state import JobState
from rae_auto.model.run import Run, RunState
from rae_auto.model.schedule import has_instants
from rae_auto.registry.factory import PluginFactory


@frozen
class PresentJob:
    """A job with its state, its open runs, its next start, and the end of the delay that a run of it waits for."""

    plan: Plan
    state: JobState
    runs: Sequence[Run]
    next_at: datetime | None
    delayed_until: datetime | None

    def status(self, activity: JobActivity) -> JobStatus:
        """Return the status of the job."""
        job, state = self.plan.job, self.state
        return JobStatus(
            job=job.id,
            activity=activity,
            enabled=job.enabled,
            paused=state.paused,
            open=tuple(run.id for run in self.runs),
            next_at=self.next_at,
            last_state=state.last_state,
            last_run=state.last_run,
            last_finished_at=state.last_finished_at,
            failures=state.failures,
            paused_until=state.paused_until,
            pause_note=state.pause_note,
            paused_at=state.paused_at,
            skips=state.skips,
            expected_by=None if state.expectation is None else state.expectation.expected_by(job.expect),
            overdue_at=None if state.expectation is None else state.expectation.overdue_at,
            overrunning=tuple(run.id for run in self.runs if run.overran_at is not None),
            delayed_until=self.delayed_until,
            counts_from=counting_points(self.plan, state.cursors),
        )

    def info(self, activity: JobActivity, plugins: PluginFactory) -> JobInfo:
        """Return the row of the job in a list."""
        job, plan = self.plan.job, self.plan
        return JobInfo(
            id=job.id,
            name=job.name,
            origin=plan.origin.value,
            schedule=plan.summaries or tuple(ref.type for ref in job.schedule),
            priority=job.priority,
            status=self.status(activity),
            added_by=self.state.added_by if plan.origin is JobOrigin.STORE else None,
            problems=plugins.job_problems(plan),
            guards=tuple(plan.guard_summaries.get(ref.id, ref.type) for ref in job.guards),
            executor=plan.executor_summary or job.executor_ref.type,
        )

    def activity(self, *, is_enabled: bool, has_starts: bool) -> JobActivity:
        """Return what the job does at present; with `has_starts` jobs start by themselves."""
        if not all(run.is_waiting for run in self.runs):
            return JobActivity.RUNNING
        if any(run.state is RunState.RETRYING for run in self.runs):
            return JobActivity.RETRYING
        if self.runs:
            return JobActivity.QUEUED
        if not is_enabled:
            return JobActivity.DISABLED
        if self.state.paused:
            return JobActivity.PAUSED
        return JobActivity.DONE if has_starts and self.is_over() else JobActivity.IDLE

    def is_over(self) -> bool:
        """Return whether the job, which is neither paused nor disabled, has only schedules, and all have ended."""
        schedules = self.plan.schedules
        if self.next_at is not None or self.plan.run_points or not 0 < len(schedules) == len(self.plan.job.schedule):
            return False
        return any(map(has_instants, schedules.values()))


def job_status_of(engine: Engine, entry: JobEntry) -> JobStatus:
    """Return the status of a job of a running engine."""
    job = _read(engine, entry)
    return job.status(_activity(job, engine))


def job_info_of(engine: Engine, entry: JobEntry, plugins: PluginFactory) -> JobInfo:
    """Return the row of a job of a running engine in a list."""
    job = _read(engine, entry)
    return job.info(_activity(job, engine), plugins)


def _read(engine: Engine, entry: JobEntry) -> PresentJob:
    job = entry.job.id
    runs = [opened.run for opened in engine.runs(job)]
    return PresentJob(entry.plan, entry.state, runs, engine.next_at(job), engine.delayed_until(job))


def _activity(job: PresentJob, engine: Engine) -> JobActivity:
    has_starts = engine.settings_enabled and not engine.is_stopping
    return job.activity(is_enabled=job.plan.job.enabled, has_starts=has_starts)
