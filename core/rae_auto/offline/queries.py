"""Answers from the store while no daemon runs, in the form of the control commands of the same name."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve

from rae_auto.api.store import CorruptDocument, LogQuery, Store
from rae_auto.control.requests import flag, limit_of, log_query, optional_instant, optional_text, text
from rae_auto.engine.next_starts import find_delayed_start, find_start_of
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.engine.time.cursors import current_schedules, digest_of
from rae_auto.errors import JobNotFound
from rae_auto.explain.collector import DISABLED_BY_CONFIGURATION, Question, explain, parse_question
from rae_auto.explain.job_view import Wait
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.formatting import quote, time_format
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.records import decision_record, run_record, undelivered_record
from rae_auto.model.run import Run
from rae_auto.offline.history_check import reporting_long_check
from rae_auto.offline.leadership import describe_lead, find_last_sight
from rae_auto.offline.project import Project
from rae_auto.records.backup_files import write
from rae_auto.records.entries import check_rest, load_entries
from rae_auto.records.events import (
    deletable_patterns,
    delete_events_in,
    event_as_json,
    parse_event_patterns,
    read_events,
)
from rae_auto.records.runs import (
    choose_run,
    merge_newest,
    merge_newest_decisions,
    merge_newest_of_all,
    query_for_each_id,
    query_for_id,
)
from rae_auto.records.statistics import statistics_of
from rae_auto.records.world_log import read_world_log
from rae_auto.runtime.reporting.sample_notice import deliver_sample
from rae_auto.runtime.time.clock import SystemClock

T = TypeVar("T")
R = TypeVar("R", Run, Decision)


def history(project: Project, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the records of runs, the newest first. Errors: StoreError, BadRequest."""
    return histories(project, [query])[0]


def histories(project: Project, queries: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the answers to several queries for runs. Errors: as `history`."""
    log_queries = [log_query(query, project.zone) for query in queries]
    with project.read_store() as store:
        open_runs = load_values(store, documents.RUN, Run)
        for number, query in enumerate(log_queries):
            if query.job is not None:
                _check_job(project, store, open_runs, query.job)
            if query.key is not None:
                log_queries[number] = evolve(query, key=_find_run(store, open_runs, query.key).id)
        times = [_time_format(project, query) for query in queries]
        seen_until = find_last_sight(store, project.directory, project.lead, open_runs) if open_runs else None
        return [
            [run_record(run, time, seen_until) for run in _find_runs_of_job(project, store, open_runs, query)]
            for query, time in zip(log_queries, times, strict=True)
        ]


def decisions(project: Project, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the records of decisions that led to no run, the newest first. Errors: StoreError, BadRequest."""
    with project.read_store() as store:
        time = _time_format(project, query)
        return [
            decision_record(decision, time)
            for decision in _find_decisions(project, store, log_query(query, project.zone))
        ]


def test_notifier(project: Project, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Deliver a test notice, and return its text and how long it took. Errors: BadRequest, PluginError."""
    notifiers = {name: project.plugins.notifier(ref) for name, ref in project.config.notifiers.items()}
    return asyncio.run(deliver_sample(text(arguments, "notifier"), notifiers, datetime.now(project.zone)))


def list_events(project: Project, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return recorded events, the newest first. Errors: StoreError, BadRequest."""
    names, bounds = (
        parse_event_patterns(query["names"]),
        {name: optional_instant(query, name, project.zone) for name in ("since", "until")},
    )
    with project.read_store() as store:
        events = read_events(store, names, **bounds, limit=limit_of(query), ends=flag(query, "runs"))
    return [event_as_json(event) for event in reversed(events)]


def delete_events(project: Project, query: Mapping[str, Any]) -> dict[str, Any]:
    """Delete recorded events and return their number. Errors: StoreError, BadRequest."""
    names, before = deletable_patterns(query["names"]), optional_instant(query, "before", project.zone)
    with project.open_store() as store:
        with reporting_long_check(project.report):
            project.notices += check_rest(store)
        return {"deleted": delete_events_in(store, names, before)}


def list_notices(project: Project, _: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the notices that are not delivered yet, the oldest first. Errors: StoreError."""
    with project.read_store() as store:
        notices = load_values(store, documents.NOTICE, OutboxNotice)
    return list(map(undelivered_record, sorted(notices, key=lambda notice: notice.decided_at)))


def stats(project: Project, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return statistics of runs. Errors: StoreError, BadRequest."""
    job = optional_text(query, "job")
    with project.read_store() as store:
        if job is not None:
            _check_job(project, store, load_values(store, documents.RUN, Run), job)
        jobs = None if job is None else ids_of(project, store, job)
        return statistics_of(store, jobs, optional_instant(query, "since", project.zone)).record()


def world_log(project: Project, until: datetime) -> list[dict[str, Any]]:
    """Return all events and occurrences on record until then. Errors: StoreError."""
    with project.read_store() as store:
        return read_world_log(store, None, until)


def backup(project: Project, target: Path, *, replace: bool) -> dict[str, Any]:
    """Write a backup of the store to a file. Errors: StoreError."""
    with project.read_store() as store:
        return write(target, store.dump(), SystemClock().now().wall, replace=replace).record()


def why(project: Project, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return why a job ran, didn't run or waits. Errors: StoreError, JobNotFound, RunNotFound, BadRequest."""
    name, run = text(query, "job"), optional_text(query, "run")
    with project.read_store() as store:
        source = StoreSource(project, store, _time_format(project, query))
        question = parse_question(source, name, optional_text(query, "at"), run)
        runs = _read_about(question, partial(_find_runs_of_job, project, store, source.open_runs))
        decisions = _read_about(question, partial(_find_decisions, project, store))
        requested_run = None if run is None else _find_run(store, source.open_runs, run)
        return explain(source, question, runs, decisions, requested_run).record()


def _read_about(question: Question, read: Callable[[LogQuery], list[R]]) -> list[R]:
    query = question.query()
    found = read(query)
    while (narrower := question.narrow(query, found)) is not None:
        query, found = narrower, read(narrower)
    return found


class StoreSource:
    """A `JobSource` that reads an opened store, and the configuration as the next daemon will load it."""

    disabled_by = DISABLED_BY_CONFIGURATION

    def __init__(self, project: Project, store: Store, time: TimeFormat) -> None:
        self._project = project
        self._store = store
        self._lead = project.lead
        self.has_daemon = project.lead is not None
        self.daemon_note = describe_lead(project.lead)
        self.zone = project.zone
        self.now = SystemClock().now().wall
        self.format_time = time
        self.open_runs = load_values(store, documents.RUN, Run)

    def job_names(self) -> Iterable[str]:
        return [*self._project.job_names, *(job.id for job in load_values(self._store, documents.JOB, Job))]

    def find_plan(self, job: str) -> Plan | None:
        for origin, jobs in (
            (JobOrigin.CONFIG, self._project.config.jobs),
            (JobOrigin.STORE, load_values(self._store, documents.JOB, Job)),
        ):
            for definition in jobs:
                if definition.id == job:
                    return self._project.plan_of(definition, origin)
        return None

    def is_enabled(self) -> bool:
        return self._project.config.enabled

    def job_state(self, job: str) -> JobState:
        states = load_values(self._store, documents.STATE, JobState)
        return next((state for state in states if state.job == job), JobState(JobId(job)))

    def next_run_at(self, plan: Plan) -> datetime | None:
        runs = [run for run in self.open_runs if run.job == plan.job.id]
        return next_start_of(plan, self.job_state(plan.job.id), self.now, runs)

    def trigger_problems(self, plan: Plan) -> Mapping[str, str]:
        return self._project.plugins.trigger_problems(plan)

    def preparation_problem(self, _: str) -> str | None:
        return None

    def known_occurrences(self, job: str) -> Iterable[SeenOccurrence]:
        return [seen for seen in load_values(self._store, documents.SEEN, SeenOccurrence) if seen.job == job]

    def waits(self, runs: Sequence[Run]) -> Mapping[str, Wait]:
        if self._lead is None:
            return {run.id: (None, "no daemon is running") for run in runs if not run.state.final}
        return {run.id: (None, f"{self._lead.text}, and decides when") for run in runs if run.is_waiting}


def _time_format(project: Project, query: Mapping[str, Any]) -> TimeFormat:
    return time_format(project.zone, SystemClock().now().wall, local=flag(query, "local_times"))


def _find_runs(store: Store, open_runs: Sequence[Run], query: LogQuery) -> list[Run]:
    past = load_entries(Run, store.query(documents.RUNS, query))
    return merge_newest(query, open_runs, past)


def _find_runs_of_job(project: Project, store: Store, open_runs: Sequence[Run], query: LogQuery) -> list[Run]:
    """Return runs that match, those of former ids of the job as well, newest first."""
    queries = query_for_each_id(query, lambda job: ids_of(project, store, job))
    return merge_newest_of_all(query, [_find_runs(store, open_runs, one) for one in queries])


def _find_decisions(project: Project, store: Store, query: LogQuery) -> list[Decision]:
    queries = query_for_each_id(query, lambda job: ids_of(project, store, job))
    found = [load_entries(Decision, store.query(documents.DECISIONS, one)) for one in queries]
    return merge_newest_decisions(query, found)


def ids_of(project: Project, store: Store, job: str) -> list[str]:
    """Return the ids under which runs of a job are on record, as `Engine.ids_of`."""
    states = {state.job: state for state in load_values(store, documents.STATE, JobState)}
    former = states[JobId(job)].former_ids if job in states else ()
    taken = {*project.job_names, *(stored.id for stored in load_values(store, documents.JOB, Job))}
    return [job, *(id_ for id_ in former if id_ not in taken)]


def _check_job(project: Project, store: Store, open_runs: Sequence[Run], job: str) -> None:
    """Raise JobNotFound if there is neither a job of this name nor a run of it."""
    known = [*project.job_names, *(stored.id for stored in load_values(store, documents.JOB, Job))]
    if job not in known and not _find_runs(store, open_runs, LogQuery(job=job, limit=1)):
        near = did_you_mean(job, known) or f"; jobs are defined in {project.path}"
        raise JobNotFound(f"no job {quote(job)}{near}")


def _find_run(store: Store, open_runs: Sequence[Run], run: str) -> Run:
    return choose_run(run, _find_runs(store, open_runs, query_for_id(run)))


def load_values(store: Store, kind: str, cls: type[T]) -> list[T]:
    """Return the values of a kind of documents, without damaged ones."""
    return [documents.load(cls, body) for _, body in store.load(kind) if not isinstance(body, CorruptDocument)]


def next_start_of(plan: Plan, state: JobState, now: datetime, open_runs: Iterable[Run] = ()) -> datetime | None:
    """Return when a job starts next by itself: by its schedules, or at the end of a delay after an event.

    It is after the job's pause and none of the skipped starts.
    """
    if state.paused and state.paused_until is None:
        return None
    # A schedule that has changed since has no progress yet.
    known = {trigger: state.cursors.get(trigger) for trigger in plan.schedules}
    progress = {
        trigger: cursor
        for trigger, cursor in known.items()
        if cursor is not None and cursor.schedule == digest_of(plan.schedules[trigger])
    }
    schedules = current_schedules(plan, state.cursors).items()
    instants = [find_start_of(one, one.next_after(now), state, progress.get(trigger)) for trigger, one in schedules]
    instants.append(find_delayed_start(plan.job, state, open_runs))
    return min((instant for instant in instants if instant is not None), default=None)
