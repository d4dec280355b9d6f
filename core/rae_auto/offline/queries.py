"""What can be told while no daemon runs: its store, opened for a moment."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from rae_auto.api.store import CorruptDocument, LogQuery, Store
from rae_auto.config import Config, load
from rae_auto.control.requests import flag, limit_of, log_query, optional_instant, optional_text, text
from rae_auto.engine.events import Origin, Plan
from rae_auto.errors import JobNotFound, RunNotFound, StoreError
from rae_auto.explain.collector import answered, records_around, time_asked
from rae_auto.explain.job_view import JobView
from rae_auto.explain.why import as_json
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, Seen
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.primitives.zones import zone
from rae_auto.model.records import run_record
from rae_auto.model.run import Run
from rae_auto.paths import state_directory
from rae_auto.records.backup_files import write
from rae_auto.records.events import event_patterns, event_record, forget_in, forgettable, recorded_in
from rae_auto.records.runs import newest_runs
from rae_auto.records.statistics import statistics_of
from rae_auto.records.world_log import happenings_in
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime.clock import SystemClock

T = TypeVar("T")


def history(config_path: Path, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Runs as the control command `history` gives them, the open ones first. Errors: ConfigError, StoreError."""
    return histories(config_path, [query])[0]


def histories(config_path: Path, queries: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """The answers to several such questions. Errors: as `history`."""
    with _store_of(config_path) as store:
        wanted = [log_query(query) for query in queries]
        opened = _values(store, documents.RUN, Run)
        return [_answer(store, opened, query) for query in wanted]


def _answer(store: Store, opened: Sequence[Run], wanted: LogQuery) -> list[dict[str, Any]]:
    return [run_record(run) for run in _matching(store, opened, wanted)]


def _matching(store: Store, opened: Sequence[Run], wanted: LogQuery) -> list[Run]:
    past = [documents.load(Run, body) for body in store.query(documents.RUNS, wanted)]
    return newest_runs(wanted, opened, past)


def list_events(config_path: Path, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Events as the control command `list_events` gives them. Errors: ConfigError, StoreError, BadRequest."""
    names, bounds = event_patterns(query["names"]), {name: optional_instant(query, name) for name in ("since", "until")}
    with _store_of(config_path) as store:
        found = recorded_in(store, names, **bounds, limit=limit_of(query), ends=flag(query, "runs"))
    return [event_record(event) for event in reversed(found)]


def delete_events(config_path: Path, query: Mapping[str, Any]) -> dict[str, Any]:
    """Delete events as the control command `delete_events` does. Errors: ConfigError, StoreError, BadRequest."""
    names, before = forgettable(query["names"]), optional_instant(query, "before")
    with _store_of(config_path) as store:
        return {"deleted": forget_in(store, names, before)}


def stats(config_path: Path, query: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as the control command `stats` gives them. Errors: ConfigError, StoreError."""
    with _store_of(config_path) as store:
        return statistics_of(store, optional_text(query, "job"), optional_instant(query, "since")).record()


def world_log(config_path: Path, until: datetime) -> list[dict[str, Any]]:
    """What happened, as the control command `world_log` gives it. Errors: ConfigError, StoreError."""
    with _store_of(config_path) as store:
        return happenings_in(store, None, until)


def backup(config_path: Path, target: Path, *, replace: bool) -> dict[str, Any]:
    """Back up as the control command `backup` does. Errors: ConfigError, StoreError."""
    with _store_of(config_path) as store:
        return write(target, store.dump(), SystemClock().now().wall, replace=replace).record()


def why(config_path: Path, query: Mapping[str, Any]) -> dict[str, Any]:
    """Why a job did what it did, as the control command `why` tells it.

    Errors: ConfigError, StoreError, JobNotFound, RunNotFound, BadRequest.
    """
    name, run = text(query, "job"), optional_text(query, "run")
    registry = Registry()
    config = load(config_path, registry)
    place, now = zone(config.timezone), SystemClock().now().wall
    asked = time_asked(optional_text(query, "at"), place, now)
    with _store_of(config_path) as store:
        plan = _plan_of(name, config, store, PluginFactory(registry, config.timezone))
        opened = _values(store, documents.RUN, Run)
        wanted = None if run is None else _run_of(store, opened, run)
        around = records_around(name, asked)
        runs = _matching(store, opened, around)
        decisions = [documents.load(Decision, body) for body in store.query(documents.DECISIONS, around)]
        if plan is None and not runs and not decisions:
            raise JobNotFound(f"no job {name!r}{did_you_mean(name, [job.id for job in config.jobs])}")
        state = next((s for s in _values(store, documents.STATE, JobState) if s.job == name), JobState(JobId(name)))
        repeated = [seen for seen in _values(store, documents.SEEN, Seen) if seen.job == name and seen.repeats]
    schedules = plan.schedules if plan else {}
    instants = [schedule.next_after(now) for schedule in schedules.values()]
    standing = JobView(
        job=name,
        definition=plan.job if plan else None,
        enabled=plan is not None and plan.job.enabled and config.enabled,
        paused=state.paused,
        now=now,
        zone=place,
        next_at=min((instant for instant in instants if instant is not None), default=None),
        runs=runs,
        decisions=decisions,
        repeated=repeated,
        waiting={run.id: (None, "no daemon is running") for run in runs if not run.state.final},
        schedules=schedules,
        cursors=state.cursors,
        has_daemon=False,
    )
    return as_json(answered(standing, asked, wanted))


def _plan_of(name: str, config: Config, store: Store, plugins: PluginFactory) -> Plan | None:
    """The job as the next daemon will have it."""
    for job in (*config.jobs, *_values(store, documents.JOB, Job)):
        if job.id == name:
            return plugins.plan(job, Origin.CONFIG).plan
    return None


def _run_of(store: Store, opened: Sequence[Run], run: str) -> Run:
    found = _matching(store, opened, LogQuery(key=run, limit=1))
    if not found:
        raise RunNotFound(f"no run {run!r}; 'rae-auto history' lists them")
    return found[0]


def _values(store: Store, kind: str, cls: type[T]) -> list[T]:
    return [documents.load(cls, body) for _, body in store.load(kind) if not isinstance(body, CorruptDocument)]


@contextmanager
def _store_of(config_path: Path) -> Iterator[Store]:
    registry = Registry()
    config = load(config_path, registry)
    directory = state_directory()
    if not directory.is_dir():
        raise StoreError(f"there is no state in {directory} yet; 'rae-auto run' makes it")
    store = PluginFactory(registry, config.timezone).store(config.store)
    store.open(directory)
    try:
        yield store
    finally:
        store.close()
