"""Jobs while no daemon runs, in the form of the control commands 'list' and 'show'.

Jobs come from the configuration and, if there is one, from the store; a job of the configuration hides an added one of
the same name, as it does for the daemon.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.engine.by_hand import find_delayed_start
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.engine.time.cursors import counting_points
from rae_auto.errors import InvalidJob, JobNotFound
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_info import JobActivity, JobInfo, JobStatus
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.records import job_record, run_record
from rae_auto.model.run import Run
from rae_auto.model.schedule import has_instants
from rae_auto.offline.project import Project
from rae_auto.offline.queries import load_values, next_start_of
from rae_auto.records.entries import load_entries
from rae_auto.records.runs import query_for_id
from rae_auto.runtime.time.clock import SystemClock


@frozen
class _StoredJobs:
    """The jobs that the next daemon will have, with their states and open runs."""

    jobs: Mapping[str, tuple[Job, JobOrigin]]
    states: Mapping[str, JobState]
    open_runs: Sequence[Run]


def list_jobs(project: Project) -> list[dict[str, Any]]:
    """Return all jobs, with their next starts and latest runs. Errors: StoreError."""
    stored, now = _read(project), SystemClock().now().wall
    return [job_record(_info(project, stored, name, now)) for name in sorted(stored.jobs)]


def show_job(project: Project, name: str) -> dict[str, Any]:
    """Return the definition of a job, its state, its last run and its open runs. Errors: JobNotFound, StoreError."""
    stored = _read(project)
    job, _ = _find(project, stored, name)
    return {
        "definition": documents.dump(job),
        "info": job_record(_info(project, stored, name, SystemClock().now().wall)),
        "last": _read_last_run(project, stored.states.get(name)),
        "open": [run_record(run) for run in stored.open_runs if run.job == name],
    }


def _read_last_run(project: Project, state: JobState | None) -> dict[str, Any] | None:
    """Return the record of the run that ended last; None without one, or if it has been deleted."""
    if state is None or state.last_run is None:
        return None
    with project.read_store() as store:
        found = store.query(documents.RUNS, query_for_id(state.last_run))
        return next(map(run_record, load_entries(Run, found)), None)


def find_job(project: Project, name: str) -> tuple[Job, JobState]:
    """Return a job of the configuration or of the store, and its state. Errors: JobNotFound, StoreError."""
    stored = _read(project)
    job, _ = _find(project, stored, name)
    return job, stored.states.get(name, JobState(job.id))


def _find(project: Project, stored: _StoredJobs, name: str) -> tuple[Job, JobOrigin]:
    if name not in stored.jobs:
        near = did_you_mean(name, stored.jobs)
        if project.has_errors:
            raise JobNotFound(
                f"no valid job {quote(name)} in {project.path}, which has errors; 'rae-auto check' shows them"
            )
        raise JobNotFound(f"no job {quote(name)} in {project.path}{near}; 'rae-auto list' shows all jobs")
    return stored.jobs[name]


def _read(project: Project) -> _StoredJobs:
    jobs: dict[str, tuple[Job, JobOrigin]] = {job.id: (job, JobOrigin.CONFIG) for job in project.config.jobs}
    if not project.directory.is_dir():
        return _StoredJobs(jobs, {}, ())
    with project.read_store() as store:
        added: dict[str, tuple[Job, JobOrigin]] = {
            job.id: (job, JobOrigin.STORE) for job in load_values(store, documents.JOB, Job)
        }
        states: dict[str, JobState] = {state.job: state for state in load_values(store, documents.STATE, JobState)}
        return _StoredJobs({**added, **jobs}, states, load_values(store, documents.RUN, Run))


def _info(project: Project, stored: _StoredJobs, name: str, now: datetime) -> JobInfo:
    job, origin = stored.jobs[name]
    state = stored.states.get(name, JobState(job.id))
    is_enabled = job.enabled and project.config.enabled
    try:
        plan = project.plugins.plan(job, origin).plan
    except InvalidJob as error:
        plan = Plan(job, {}, origin, problem=str(error))
    runs = [run for run in stored.open_runs if run.job == name]
    delayed_until = find_delayed_start(job, state, runs) if is_enabled else None
    next_at = next_start_of(plan, state, now, runs) if is_enabled else None
    has_schedules_alone = 0 < len(plan.schedules) == len(job.schedule) and not plan.run_points
    is_over = is_enabled and not state.paused and next_at is None and has_schedules_alone
    is_done = is_over and any(map(has_instants, plan.schedules.values()))
    return JobInfo(
        id=job.id,
        name=job.name,
        origin=origin.value,
        schedule=plan.summaries or tuple(ref.type for ref in job.schedule),
        priority=job.priority,
        status=JobStatus(
            job=job.id,
            activity=_activity(is_enabled, state, is_done, is_open=any(run.state.active for run in runs)),
            enabled=job.enabled,
            paused=state.paused,
            open=tuple(run.id for run in runs),
            next_at=next_at,
            last_state=state.last_state,
            last_run=state.last_run,
            last_finished_at=state.last_finished_at,
            failures=state.failures,
            paused_until=state.paused_until,
            pause_note=state.pause_note,
            skips=state.skips,
            expected_by=None if state.expectation is None else state.expectation.expected_by(job.expect),
            overdue_at=None if state.expectation is None else state.expectation.overdue_at,
            overrunning=tuple(run.id for run in runs if run.overran_at is not None),
            delayed_until=delayed_until,
            counts_from=counting_points(plan, state.cursors),
        ),
        added_by=state.added_by if origin is JobOrigin.STORE else None,
        guards=tuple(plan.guard_summaries.get(ref.id, ref.type) for ref in job.guards),
        executor=plan.executor_summary or job.executor_ref.type,
        problems=project.plugins.job_problems(plan),
    )


def _activity(is_enabled: bool, state: JobState, is_done: bool, *, is_open: bool) -> JobActivity:
    # It was running when the last daemon ended; the history has it like that too, until the next daemon looks.
    if is_open:
        return JobActivity.RUNNING
    if not is_enabled:
        return JobActivity.DISABLED
    if state.paused:
        return JobActivity.PAUSED
    return JobActivity.DONE if is_done else JobActivity.IDLE
