"""The facts of `rae-auto status`, read from a running scheduler."""

import os
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from rae_auto._version import __version__
from rae_auto.engine.engine import Engine
from rae_auto.engine.state import JobEntry
from rae_auto.explain.next_start import explain_blocked
from rae_auto.model.expectations import describe_overdue
from rae_auto.model.notices.outbox import find_failing
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.records import job_record, run_record, waiting_record
from rae_auto.model.run import Run, RunState
from rae_auto.records.runs import find_pid
from rae_auto.registry.describe import summarize_plugin
from rae_auto.runtime.reporting import log_setup
from rae_auto.runtime.reporting.job_status import job_info_of
from rae_auto.runtime.runtime import Runtime

if TYPE_CHECKING:
    from rae_auto.runtime.sharing.membership import Membership

MAX_NEXT_JOBS = 10
"""The number of jobs in the list "next"."""

_FAILURES = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.LOST})
"""Ends that were not requested, unlike a cancellation or a stop of the daemon."""


@frozen(kw_only=True)
class DaemonFacts:
    """Facts of the daemon that its scheduler doesn't know."""

    config: Path | None
    started_at: datetime
    is_paused: bool
    """True for `rae-auto run --paused`."""

    def disabled_by(self) -> str:
        """Return what keeps all jobs from starting by themselves; None if nothing does."""
        return "the daemon was started with --paused" if self.is_paused else "enabled = false in the configuration"


def read_status(
    runtime: Runtime,
    facts: DaemonFacts,
    problems: Collection[str],
    *,
    local_times: bool,
) -> dict[str, Any]:
    """Return the state of the daemon, its open runs, the next starts, and the jobs that need attention.

    With `local_times` sentences have instants as people read them now.
    """
    time = runtime.time_format(local=local_times)
    engine = runtime.engine
    notices = find_failing(engine.notices())
    runs = [opened.run for opened in engine.runs()]
    jobs = _list_notable(engine.jobs())
    node = None if runtime.membership is None else runtime.membership.node.name
    status = {
        "pid": os.getpid(),
        "version": __version__,
        "started_at": facts.started_at.isoformat(),
        "state_directory": str(runtime.directory),
        "config": facts.config and str(facts.config),
        "state": "degraded" if runtime.store_problem else "stopping" if engine.is_stopping else "running",
        **({} if node is None else {"node": node}),
        "enabled": runtime.settings.enabled,
        "disabled_by": None if runtime.settings.enabled else facts.disabled_by(),
        "jobs": len(engine.job_ids()),
        "paused": [entry.job.id for entry in jobs if entry.state.paused],
        "pauses": {entry.job.id: _pause(entry) for entry in jobs if entry.state.paused},
        "skips": [{"job": e.job.id, "at": skip.at.isoformat()} for e in jobs for skip in e.state.skips],
        "disabled": [entry.job.id for entry in jobs if not entry.job.enabled],
        "failed": [_failure(entry) for entry in jobs if entry.state.last_state in _FAILURES and entry.job.enabled],
        "overdue": [
            {"job": entry.job.id, "expected_by": overdue.expected_by.isoformat(), "since": overdue.since.isoformat()}
            for entry in jobs
            if entry.state.expectation is not None
            and (overdue := describe_overdue(entry.job.expect, entry.state.expectation)) is not None
        ],
        "running": [{**run_record(run), "pid": find_pid(run, node)} for run in runs if not run.is_waiting],
        "waiting": [_waiting(run, runtime, time) for run in runs if run.is_waiting],
        "next": [_next_start(engine.job(job), at) for at, job in engine.next_starts(MAX_NEXT_JOBS)],
        "store": runtime.store_summary,
        "loggers": log_setup.summaries(),
        "notifiers": {name: summarize_plugin(notifier) for name, notifier in runtime.notifiers.items()},
        "problems": list_problems(runtime, notices, problems),
        "problem_times": {problem: at.isoformat() for problem, at in notices.items()},
        "quarantined": runtime.quarantine.quarantined_problems(),
    }
    from rae_auto.views.status import names_in  # lazy: memory

    return {**status, "names": names_in(status, lambda job: _name_of(engine, job))}


def list_problems(runtime: Runtime, notices: Iterable[str], problems: Iterable[str]) -> list[str]:
    """Return all problems, the severe ones first: of the store and jobs, of `notices`, and those of the daemon."""
    return [*filter(None, [runtime.store_problem]), *runtime.job_problems, *notices, *problems]


def _name_of(engine: Engine, job: str) -> str:
    # A run of a job that was removed is still open.
    return engine.job(JobId(job)).job.name if job in engine.job_ids() else job


async def list_nodes(membership: "Membership") -> list[dict[str, Any]]:
    """Return the nodes that use the same store: the leader, those that stand by, and those that are silent."""
    return [
        {
            "node": state.known.node.name,
            "host": state.known.node.host,
            "pid": state.known.node.pid,
            "role": state.role,
            "silent_seconds": 0 if state.role == "leads" else round(state.known.silent_seconds),
        }
        for state in await membership.list_nodes()
    ]


def _next_start(entry: JobEntry, at: datetime) -> dict[str, Any]:
    """Return the next instant at which a job is due, and why it will be skipped, if a guard already says so."""
    return {"job": entry.job.id, "at": at.isoformat(), "blocked": explain_blocked(entry.plan, at)}


def add_blocked(record: dict[str, Any], entry: JobEntry) -> dict[str, Any]:
    """Return the record of a job with why its next start will be skipped, if a guard already says so."""
    at = record["next_at"]
    return {**record, "next_blocked": at and explain_blocked(entry.plan, datetime.fromisoformat(at))}


def job_record_of(runtime: Runtime, entry: JobEntry) -> dict[str, Any]:
    """Return the JSON of a job in a list."""
    return add_blocked(job_record(job_info_of(runtime.engine, entry, runtime.factory)), entry)


def _list_notable(entries: Iterable[JobEntry]) -> list[JobEntry]:
    """Return the jobs that may be in one of the lists of jobs; of ten thousand few are."""
    # In one expression, because calls of a function and of properties would take twice as long as all the rest.
    return [
        entry
        for entry in entries
        if (state := entry.state).paused
        or state.skips
        or state.expectation is not None
        or state.last_state in _FAILURES
        or not entry.plan.job.enabled
    ]


def _pause(entry: JobEntry) -> dict[str, Any]:
    since, until = entry.state.paused_at, entry.state.paused_until
    return {
        "since": since and since.isoformat(),
        "until": until and until.isoformat(),
        "note": entry.state.pause_note,
    }


def _waiting(run: Run, runtime: Runtime, time: TimeFormat) -> dict[str, Any]:
    return waiting_record(run, runtime.waiting_for(run.id, time))


def _failure(entry: JobEntry) -> dict[str, Any]:
    state = entry.state
    assert state.last_state is not None
    return {
        "job": entry.job.id,
        "run_id": state.last_run,
        "state": state.last_state.value,
        "at": state.last_finished_at and state.last_finished_at.isoformat(),
        "failures": state.failures,
    }
