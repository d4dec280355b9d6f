"""Jobs while no daemon runs, in the form of the control commands 'list' and 'show'.

Jobs come from the configuration and, if there is one, from the store; a job of the configuration hides an added one of
the same name, as it does for the daemon.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.engine.next_starts import find_delayed_start
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.errors import JobNotFound
from rae_auto.explain.next_start import explain_blocked
from rae_auto.model import documents
from rae_auto.model.expectations import describe_overdue
from rae_auto.model.job import Job
from rae_auto.model.job_info import JobActivity, JobInfo
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.records import job_record, run_record
from rae_auto.model.run import Run
from rae_auto.offline.leadership import find_last_sight
from rae_auto.offline.project import Project
from rae_auto.offline.queries import load_values, next_start_of
from rae_auto.records.entries import load_entries
from rae_auto.records.runs import query_for_id
from rae_auto.runtime.reporting.job_status import PresentJob
from rae_auto.runtime.time.clock import SystemClock


@frozen
class _StoredJobs:
    """The jobs that the next daemon will have, with their states and open runs."""

    jobs: Mapping[str, tuple[Job, JobOrigin]]
    states: Mapping[str, JobState]
    open_runs: Sequence[Run]
    seen_until: datetime | None = None
    """When a daemon saw the open runs last; None while one leads, or without open runs."""


def list_jobs(project: Project) -> list[dict[str, Any]]:
    """Return all jobs, with their next starts and latest runs. Errors: StoreError."""
    stored, now = _read(project), SystemClock().now().wall
    return [_record(project, stored, name, now) for name in sorted(stored.jobs)]


def list_overdue(project: Project) -> list[dict[str, Any]]:
    """Return the jobs that have not succeeded for longer than expected, as in a status. Errors: StoreError."""
    stored = _read(project)
    expectations = [(name, stored.states[name].expectation) for name in sorted(stored.jobs) if name in stored.states]
    found = [
        (name, describe_overdue(stored.jobs[name][0].expect, expectation))
        for name, expectation in expectations
        if expectation is not None
    ]
    return [
        {"job": name, "expected_by": overdue.expected_by.isoformat(), "since": overdue.since.isoformat()}
        for name, overdue in found
        if overdue is not None
    ]


def list_open_runs(project: Project) -> Sequence[Run]:
    """Return the runs that were open when the last daemon ended. Errors: StoreError."""
    return _read(project).open_runs


def plan_jobs(project: Project) -> list[tuple[Plan, JobState]]:
    """Return all jobs with their plugins and states, ordered by name. Errors: StoreError.

    The plan of a job that can't be used has the problem.
    """
    stored = _read(project)
    found = (stored.jobs[name] for name in sorted(stored.jobs))
    return [(project.plan_of(job, origin), stored.states.get(job.id, JobState(job.id))) for job, origin in found]


def plan_job(project: Project, name: str) -> tuple[Plan, JobState]:
    """Return one job likewise. Errors: JobNotFound, StoreError."""
    stored = _read(project)
    job, origin = _find(project, stored, name)
    return project.plan_of(job, origin), stored.states.get(name, JobState(job.id))


def list_definitions(project: Project) -> list[tuple[Job, JobState]]:
    """Return the definitions of all jobs, and their states. Errors: StoreError."""
    stored = _read(project)
    return [(job, stored.states.get(name, JobState(job.id))) for name, (job, _) in sorted(stored.jobs.items())]


def show_job(project: Project, name: str) -> dict[str, Any]:
    """Return the definition of a job, its state, its last run and its open runs. Errors: JobNotFound, StoreError."""
    stored = _read(project)
    job, _ = _find(project, stored, name)
    return {
        "definition": documents.dump(job),
        "info": _record(project, stored, name, SystemClock().now().wall),
        "last": _read_last_run(project, stored.states.get(name)),
        "open": [run_record(run, seen_until=stored.seen_until) for run in stored.open_runs if run.job == name],
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
        runs = load_values(store, documents.RUN, Run)
        seen_until = find_last_sight(store, project.directory, project.lead, runs) if runs else None
        return _StoredJobs({**added, **jobs}, states, runs, seen_until)


def _record(project: Project, stored: _StoredJobs, name: str, now: datetime) -> dict[str, Any]:
    plan, info = _describe(project, stored, name, now)
    return {**job_record(info), "next_blocked": explain_blocked(plan, info.status.next_at)}


def _describe(project: Project, stored: _StoredJobs, name: str, now: datetime) -> tuple[Plan, JobInfo]:
    job, origin = stored.jobs[name]
    state = stored.states.get(name, JobState(job.id))
    is_enabled = job.enabled and project.config.enabled
    plan = project.plan_of(job, origin)
    runs = [run for run in stored.open_runs if run.job == name]
    next_at = next_start_of(plan, state, now, runs) if is_enabled else None
    delayed_until = find_delayed_start(job, state, runs) if is_enabled else None
    present = PresentJob(plan, state, runs, next_at, delayed_until)
    activity = present.activity(is_enabled=is_enabled, has_starts=True)
    # Without a daemon runs are as they were when the last one ended; the history has them like that, too.
    if activity is JobActivity.RUNNING and stored.seen_until is not None:
        activity = JobActivity.WAS_RUNNING
    return plan, present.info(activity, project.plugins)
