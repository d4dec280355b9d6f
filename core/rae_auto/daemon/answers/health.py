"""The facts of health and metrics, as a daemon answers them; `views.monitoring.health` says what they mean."""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rae_auto._version import __version__
from rae_auto.api.plugin import Kind
from rae_auto.engine.state import JobEntry
from rae_auto.model.documents import dump
from rae_auto.model.expectations import describe_overdue
from rae_auto.model.job import Job
from rae_auto.model.notices.outbox import describe_failing
from rae_auto.platforms.process_measurements import measure_process
from rae_auto.registry.quarantine import Quarantine
from rae_auto.runtime.reporting import log_setup
from rae_auto.runtime.runtime import Runtime
from rae_auto.runtime.time.synchronization import is_clock_synchronized
from rae_auto.runtime.time.time_meter import TimeMeter

MAX_SOURCES = 200
"""Number of sources that are listed; the others are counted."""


async def read_health(
    runtime: Runtime, turns: TimeMeter, started_at: datetime, problems: Iterable[str]
) -> dict[str, Any]:
    """Return the facts by which the daemon's health is judged; `turns` are those of its event loop."""
    now, engine, commits = time.monotonic(), runtime.engine, runtime.engine_loop.commits
    notices = engine.notices()
    given_up = [notice for notice in notices if notice.given_up_at is not None]
    newest_copy_at, is_checking = await runtime.read_store_condition()
    disk = await asyncio.to_thread(shutil.disk_usage, runtime.directory)
    jobs, report = list(engine.jobs()), runtime.quarantine.report()
    ends = [entry.state.last_finished_at for entry in jobs if entry.state.last_finished_at is not None]
    return {
        "pid": os.getpid(),
        "version": __version__,
        "started_at": started_at.isoformat(),
        "now": runtime.now().isoformat(),
        "starting": False,
        "stopping": engine.is_stopping,
        "enabled": engine.settings_enabled,
        "jobs": len(jobs),
        "loop": {"turns": turns.count, "busy_seconds": turns.total_seconds, "longest_seconds": turns.peak(now)},
        "store": {
            "problem": runtime.store_problem,
            "commits": commits.count,
            "commit_seconds": commits.total_seconds,
            "longest_seconds": commits.peak(now),
            "newest_copy_at": newest_copy_at and newest_copy_at.isoformat(),
            "is_checking": is_checking,
        },
        "disk": {"path": str(runtime.directory), "free": disk.free, "total": disk.total},
        "clock": {
            "synchronized": is_clock_synchronized(),
            "jumps": dict(runtime.inputs.clock_jumps),
            "newest_record_at": max(ends).isoformat() if ends else None,
        },
        "failed_sources": dict(runtime.inputs.failed_sources()),
        "sources": _list_sources(runtime),
        "plugins": _list_plugins(runtime),
        "quarantined": [one for one in report if one["quarantined"]],
        "notices": {"waiting": len(notices) - len(given_up), "given_up": len(given_up)},
        "overdue": [entry.job.id for entry in jobs if describe_overdue(entry.job.expect, entry.state.expectation)],
        "overrunning": [opened.run.job for opened in engine.runs() if opened.run.overran_at is not None],
        "problems": [
            *runtime.job_problems,
            *describe_failing(engine.notices()),
            *_find_others(runtime.quarantine, report, runtime.inputs.failed_sources(), problems),
        ],
    }


def _find_others(
    quarantine: Quarantine,
    report: Iterable[Mapping[str, Any]],
    failed_sources: Container[str],
    problems: Iterable[str],
) -> Iterator[str]:
    """Return the problems that neither plugins in quarantine nor sources that failed stand for."""
    listed = {
        (Kind(one["kind"]), one["name"], one["place"])
        for one in report
        if one["quarantined"] or one["place"] in failed_sources
    }
    stood_for = set(quarantine.problems()) - set(quarantine.problems(listed))
    return (problem for problem in problems if problem not in stood_for)


def _list_sources(runtime: Runtime) -> dict[str, Any]:
    """Return the sources, those that have failed first, and how many there are."""
    found = runtime.inputs.list_sources()
    return {
        "total": len(found),
        "shown": [
            {
                "source": one.place,
                "type": one.type,
                "state": one.state,
                "error": one.error,
                "reported_at": one.reported_at and one.reported_at.isoformat(),
            }
            for one in found[:MAX_SOURCES]
        ],
    }


def _list_plugins(runtime: Runtime) -> list[dict[str, Any]]:
    """Return the plugins in use, each with the number of jobs that use it, and of its failures in a row.

    The number is None for what serves all jobs, whatever they say.
    """
    alike = Counter(map(_plugins_of, (entry.job for entry in runtime.engine.jobs())))
    uses: Counter[tuple[str, str]] = Counter({("notifier", one.type): 0 for one in runtime.notifiers.values()})
    for (triggers, guards, executor, on, via), number in alike.items():
        reporting = (runtime.notifiers.get(name) for name in via or runtime.notifiers) if on else ()
        used = {("trigger", one) for one in triggers} | {("guard", one) for one in guards} | {("executor", executor)}
        for place in used | {("notifier", one.type) for one in reporting if one is not None}:
            uses[place] += number
    counts: dict[tuple[str, str], int | None] = dict(uses)
    counts |= {("store", runtime.store_type): None, **{("logger", name): None for name in log_setup.names()}}
    failing: Counter[tuple[str, str]] = Counter()
    for one in runtime.quarantine.report():
        failing[one["kind"], one["name"]] += one["in_a_row"]
    return [
        {"kind": kind, "name": name, "jobs": counts[kind, name], "failures_in_a_row": failing[kind, name]}
        for kind, name in sorted(counts)
    ]


def _plugins_of(job: Job) -> tuple[tuple[str, ...], tuple[str, ...], str, bool, tuple[str, ...]]:
    """Return what most jobs share: types of triggers, guards and executor, and whether and to whom the job reports."""
    return (
        tuple(ref.type for ref in job.schedule),
        tuple(ref.type for ref in job.guards),
        job.executor_ref.type,
        bool(job.notify.on),
        job.notify.via,
    )


def read_measurements(runtime: Runtime) -> dict[str, Any]:
    """Return the measurements that `metrics` has beside the facts of `read_health`: of the process, and of each job."""
    return {"process": measure_process(), "per_job": [_measure_job(runtime, entry) for entry in runtime.engine.jobs()]}


def _measure_job(runtime: Runtime, entry: JobEntry) -> dict[str, Any]:
    state, next_at = entry.state, runtime.engine.next_at(entry.job.id)
    opened = runtime.engine.runs(entry.job.id)
    expected_by = None if state.expectation is None else state.expectation.expected_by(entry.job.expect)
    return {
        "job": entry.job.id,
        "enabled": entry.job.enabled and not state.paused,
        "next_at": next_at and next_at.isoformat(),
        "failures": state.failures,
        "expected_by": expected_by and expected_by.isoformat(),
        "overdue": state.expectation is not None and state.expectation.overdue_at is not None,
        "overrunning": sum(one.run.overran_at is not None for one in opened),
        "open": dict(Counter(_phase_of(one.run.is_waiting, one.stopping is not None) for one in opened)),
        "totals": {name: dump(total) for name, total in state.totals.items()},
    }


def _phase_of(is_waiting: bool, is_stopping: bool) -> str:
    """Return the phase of an open run, in the words of OpenTelemetry."""
    if is_waiting:
        return "pending"
    return "finalizing" if is_stopping else "executing"
