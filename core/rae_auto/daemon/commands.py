"""The commands of the control connection: requests to a running daemon, answered with JSON values."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve

from rae_auto._version import __version__
from rae_auto.api.store import LogQuery
from rae_auto.config.definitions import read_job
from rae_auto.control.protocol import MAX_RECORDS_AT_ONCE
from rae_auto.control.requests import (
    absolute_path,
    flag,
    job_names,
    limit_of,
    log_query,
    optional_instant,
    optional_seconds,
    optional_text,
    text,
)
from rae_auto.daemon.answers.problem_times import DaemonProblems
from rae_auto.daemon.answers.screen_table import screen_table
from rae_auto.daemon.answers.status import DaemonFacts, add_blocked, list_nodes, read_status
from rae_auto.daemon.reloading.edited_config import EditedConfig
from rae_auto.daemon.requesters import ORIGIN_ARGUMENTS, find_requester
from rae_auto.engine.commands import ChangeOutbox
from rae_auto.errors import BadRequest
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import check_pause
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.primitives.zones import zone
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.records import decision_record, job_record, run_record, undelivered_record
from rae_auto.paths import output_path
from rae_auto.records.events import event_as_json
from rae_auto.records.runs import query_for_id
from rae_auto.records.world_log import read_world_log
from rae_auto.runtime.by_hand import keep_job, trigger_job
from rae_auto.runtime.concurrency.limited_calls import call_within
from rae_auto.runtime.reporting.job_status import job_info_of
from rae_auto.runtime.reporting.sample_notice import deliver_sample
from rae_auto.runtime.scheduler import Scheduler
from rae_auto.runtime.time.time_meter import TimeMeter

MAX_CHECK_SECONDS = 2.0
"""Time limit for finding warnings about an added job."""

Arguments = Mapping[str, Any]
T = TypeVar("T")
Command = Callable[[Arguments], Awaitable[Any]]


class StopFunction(Protocol):
    """Starts the stop of the daemon; `grace` is that of the settings if it is None."""

    async def __call__(self, grace: timedelta | None, *, leave_running: bool) -> None: ...


class Commands:
    """Answers requests with JSON values; raises the errors of `rae_auto.errors`."""

    def __init__(
        self,
        scheduler: Scheduler,
        config: Path | None,
        reload: Callable[[], Awaitable[Mapping[str, Any]]],
        stop: StopFunction,
        problems: Callable[[], list[str]],
        *,
        is_paused: bool = False,
        turns: TimeMeter | None = None,
        edited: EditedConfig | None = None,
        problem_times: Callable[[], Mapping[str, datetime]] = dict,
    ) -> None:
        """Answer for a scheduler; `turns` measures those of its event loop.

        `problem_times` has when problems came up, those of which that is known.
        """
        self._dated_problems = DaemonProblems(problems, edited, problem_times)
        runtime = scheduler.runtime
        runtime.engine_loop.on_clock_check.append(lambda: self._dated_problems.note(runtime))
        self._turns = turns or TimeMeter()
        self._scheduler = scheduler
        self._facts = DaemonFacts(config=config, started_at=scheduler.runtime.now(), is_paused=is_paused)
        self._reload = reload
        self._stop = stop
        self._problems = problems
        self._screens = screen_table(lambda: scheduler.runtime, lambda: self._zone)

    @property
    def _zone(self) -> ZoneInfo:
        """The time zone of the configuration, which a reload may change."""
        return zone(self._scheduler.runtime.factory.timezone)

    def table(self) -> dict[str, Command]:
        """Return the commands by name."""
        return {
            "ping": with_arguments(self.ping),
            "status": with_arguments(self.status, "local_times"),
            "health": with_arguments(self.health),
            "metrics": with_arguments(self.metrics),
            "list": with_arguments(self.list, "documents"),
            "show": with_arguments(self.show, "job", "documents"),
            "add": with_arguments(self.add, "definition", "replace", *ORIGIN_ARGUMENTS),
            "remove": with_arguments(self.remove, "job"),
            "rename": with_arguments(self.rename, "job", "new"),
            "trigger": with_arguments(
                self.trigger, "job", "request", "event", "env", "args", "force", *ORIGIN_ARGUMENTS
            ),
            "cancel": with_arguments(self.cancel, "job", "run"),
            "pause": with_arguments(self.pause, "job", "jobs", "until", "note"),
            "resume": with_arguments(self.resume, "job", "jobs"),
            "skip": with_arguments(self.skip, "job", "undo"),
            "history": with_arguments(
                self.history, "job", "run", "states", "since", "until", "limit", "documents", "local_times"
            ),
            "decisions": with_arguments(self.decisions, "job", "since", "until", "limit", "local_times"),
            "output": with_arguments(self.output, "run"),
            "why": with_arguments(self.why, "job", "at", "run", "local_times"),
            "world_log": with_arguments(self.world_log, "since", "until"),
            "stats": with_arguments(self.stats, "job", "since"),
            "record_event": with_arguments(self.record_event, "name", "data", "at"),
            "list_events": with_arguments(self.list_events, "names", "since", "until", "limit", "runs"),
            "delete_events": with_arguments(self.delete_events, "names", "before"),
            "test_notifier": with_arguments(self.test_notifier, "notifier"),
            "list_notices": with_arguments(self.list_notices),
            "change_outbox": with_arguments(self.change_outbox, "notifier", "discard"),
            "backup": with_arguments(self.backup, "path", "replace"),
            "prune": with_arguments(self.prune, "older_than"),
            "reload": with_arguments(self.reload),
            "stop": with_arguments(self.stop, "now", "leave_running"),
            "wait_stopped": with_arguments(self.wait_stopped),
            **{name: with_arguments(command, *names) for name, (command, names) in self._screens.items()},
        }

    async def ping(self, _: Arguments) -> Any:
        """Return the pid, the version, the configuration and the time zone of the daemon."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "config": self._facts.config and str(self._facts.config),
            "timezone": self._scheduler.runtime.zone.key,
            "max_parallel": self._scheduler.runtime.settings.max_parallel,
        }

    async def status(self, arguments: Arguments) -> Any:
        """Return the state of the daemon, its open runs, the next starts, and what needs attention."""
        runtime, local_times = self._scheduler.runtime, flag(arguments, "local_times")
        problems = await self._dated_problems.find()
        status = read_status(runtime, self._facts, problems, local_times=local_times)
        times = {problem: datetime.fromisoformat(at) for problem, at in status["problem_times"].items()}
        times = self._dated_problems.date(status["problems"], times, runtime.now())
        status["problem_times"] = {problem: at.isoformat() for problem, at in times.items()}
        return status if runtime.membership is None else {**status, "nodes": await list_nodes(runtime.membership)}

    async def health(self, _: Arguments) -> Any:
        """Return the facts that tell whether the daemon works as it should."""
        from rae_auto.daemon.answers.health import read_health  # lazy: memory, asked for rarely

        return await read_health(self._scheduler.runtime, self._turns, self._facts.started_at, self._problems())

    async def metrics(self, arguments: Arguments) -> Any:
        """Return the facts of health, and measurements of the process and of each job."""
        from rae_auto.daemon.answers.health import read_measurements  # lazy: memory, asked for rarely

        return {**await self.health(arguments), **read_measurements(self._scheduler.runtime)}

    async def list(self, arguments: Arguments) -> Any:
        """Return all jobs, with their next starts and latest runs."""
        found = await self._scheduler.list_jobs()
        if flag(arguments, "documents"):
            return list(map(documents.dump, found))
        engine = self._scheduler.runtime.engine
        return [add_blocked(job_record(info), engine.job(info.id)) for info in found]

    async def show(self, arguments: Arguments) -> Any:
        """Return the definition of a job, its state, its last run and its open runs."""
        runtime = self._scheduler.runtime
        entry = runtime.engine.job(text(arguments, "job"))  # type: ignore[arg-type]
        opened = runtime.engine.runs(entry.job.id)
        last = entry.state.last_run and await runtime.runs(query_for_id(entry.state.last_run))
        info = job_info_of(runtime.engine, entry, runtime.factory)
        return {
            "definition": documents.dump(entry.job),
            "info": documents.dump(info) if flag(arguments, "documents") else add_blocked(job_record(info), entry),
            "last": run_record(last[0]) if last else None,
            "open": [run_record(o.run) for o in opened],
        }

    async def add(self, arguments: Arguments) -> Any:
        """Add a job from its definition; return when it is due next, and warnings. Raises InvalidJob, DuplicateJob."""
        definition = arguments.get("definition")
        if not isinstance(definition, Mapping):
            raise BadRequest("'add' needs \"definition\": an object with the fields of a job")
        runtime, engine = self._scheduler.runtime, self._scheduler.runtime.engine
        added_by = await find_requester(runtime, arguments)
        job = await keep_job(runtime, read_job(definition), added_by, replace=flag(arguments, "replace"))
        next_at = engine.next_at(job)
        return {
            "job": job,
            "next_at": None if next_at is None else next_at.isoformat(),
            "is_triggered": bool(engine.job(job).job.schedule),
            "warnings": await self._find_warnings(engine.job(job).job),
        }

    async def _find_warnings(self, job: Job) -> Sequence[str]:
        """Return what is likely to fail of a job on this machine; nothing if a file system doesn't answer."""
        from rae_auto.checks.added_job import find_warnings  # lazy: memory

        runtime = self._scheduler.runtime
        source, zone_name, now = runtime.factory.source, runtime.factory.timezone, runtime.now()
        find = partial(find_warnings, has_notifiers=bool(runtime.notifiers))
        try:
            return await call_within(MAX_CHECK_SECONDS, "check", find, job, source, zone_name, now, os.environ)
        except TimeoutError:
            return []

    async def remove(self, arguments: Arguments) -> Any:
        """Remove a job; raises JobNotFound or JobInUse."""
        await self._scheduler.remove_job(text(arguments, "job"))
        return {}

    async def rename(self, arguments: Arguments) -> Any:
        """Give an added job another id; raises JobNotFound, JobInUse, DuplicateJob or InvalidJob."""
        await self._scheduler.rename_job(text(arguments, "job"), text(arguments, "new"))
        return {}

    async def trigger(self, arguments: Arguments) -> Any:
        """Start a run by hand; returns its id once the run is durable. A repeated `request` returns the same run."""
        runtime = self._scheduler.runtime
        run = await trigger_job(
            runtime,
            text(arguments, "job"),
            event=arguments.get("event"),
            request=optional_text(arguments, "request"),
            env=arguments.get("env"),
            args=arguments.get("args") or (),
            force=flag(arguments, "force"),
            by=await find_requester(runtime, arguments),
        )
        return {"run_id": run}

    async def cancel(self, arguments: Arguments) -> Any:
        """Cancel a run, or the open runs of a job; returns the ids of the cancelled runs."""
        target = text(arguments, "job" if arguments.get("run") is None else "run")
        return {"cancelled": await self._scheduler.cancel(target)}

    async def pause(self, arguments: Arguments) -> Any:
        """Pause a job, several or `"all"`, for good or until an instant; return the names that this changed."""
        from rae_auto.model.primitives.local_times import Direction  # lazy: memory

        until = optional_instant(arguments, "until", self._zone, Direction.FUTURE)
        note = arguments.get("note") or ""
        check_pause(until, note, self._scheduler.runtime.now())
        return await self._for_jobs(arguments, lambda job: self._scheduler.pause(job, until=until, note=note))

    async def resume(self, arguments: Arguments) -> Any:
        """Resume a job, several or `"all"`; return the names of those that were paused."""
        return await self._for_jobs(arguments, self._scheduler.resume)

    async def _for_jobs(self, arguments: Arguments, change: Callable[[str], Awaitable[bool]]) -> Any:
        """Change the jobs of a request, all of them or, if there is no such job, none. Raises JobNotFound."""
        engine = self._scheduler.runtime.engine
        jobs = job_names(arguments, list(engine.job_ids()))
        for job in jobs:
            engine.job(JobId(job))
        changed = await asyncio.gather(*map(change, jobs))
        return {"changed": [job for job, is_changed in zip(jobs, changed, strict=True) if is_changed], "jobs": jobs}

    async def skip(self, arguments: Arguments) -> Any:
        """Skip the next scheduled start of a job, or take the last skip back; return its instant and the next start."""
        job = text(arguments, "job")
        at = await self._scheduler.skip(job, undo=flag(arguments, "undo"))
        next_at = self._scheduler.runtime.engine.next_at(JobId(job))
        return {"at": at.isoformat(), "next_at": next_at and next_at.isoformat()}

    async def history(self, arguments: Arguments) -> Any:
        """Return the runs that match, newest first, with `documents` as stores keep them; raises JobNotFound."""
        query = log_query(arguments, self._zone)
        if query.key is not None:
            query = evolve(query, key=(await self._scheduler.get_run(query.key)).id)
        runs = await self._scheduler.runtime.runs(query)
        if (
            not runs
            and query.job is not None
            and not await self._scheduler.runtime.runs(LogQuery(job=query.job, limit=1))
        ):
            # Without any runs the name may be misspelled; this raises JobNotFound.
            self._scheduler.runtime.engine.job(JobId(query.job))
        if flag(arguments, "documents"):
            return await _convert_all(documents.dump, runs)
        time = self._time_format(arguments)
        return await _convert_all(lambda run: run_record(run, time), runs)

    async def decisions(self, arguments: Arguments) -> Any:
        """Return the decisions that led to no run, newest first."""
        time = self._time_format(arguments)
        decisions = await self._scheduler.runtime.decisions(log_query(arguments, self._zone))
        return [decision_record(decision, time) for decision in decisions]

    async def why(self, arguments: Arguments) -> Any:
        """Return why a job ran, did not run or waits, at an instant or in a run."""
        at, run = optional_text(arguments, "at"), optional_text(arguments, "run")
        from rae_auto.explain.engine_source import explain_job  # lazy: memory, asked for rarely

        local_times = flag(arguments, "local_times")
        explanation = await explain_job(
            self._scheduler, text(arguments, "job"), at, run, self._facts.disabled_by(), local_times=local_times
        )
        return explanation.record()

    def _time_format(self, arguments: Arguments) -> TimeFormat:
        return self._scheduler.runtime.time_format(local=flag(arguments, "local_times"))

    async def output(self, arguments: Arguments) -> Any:
        """Return the path of the output of a run's latest attempt; raises RunNotFound."""
        run = await self._scheduler.get_run(text(arguments, "run"))
        path = output_path(self._scheduler.directory, run.job, run.id, run.attempt)
        return {"path": str(path), "state": run.state.value, "attempt": run.attempt}

    async def world_log(self, arguments: Arguments) -> Any:
        """Return the recorded events and occurrences of a period, as a script for a simulation."""
        since, until = (
            optional_instant(arguments, "since", self._zone),
            optional_instant(arguments, "until", self._zone),
        )
        return await self._scheduler.runtime.read_store(lambda store: read_world_log(store, since, until))

    async def stats(self, arguments: Arguments) -> Any:
        """Return statistics of all jobs or of one; raises JobNotFound."""
        job = optional_text(arguments, "job")
        found = await self._scheduler.statistics(job, optional_instant(arguments, "since", self._zone))
        if job is not None and not found.runs:
            # Without runs the name may be misspelled; this raises JobNotFound.
            self._scheduler.runtime.engine.job(JobId(job))
        return found.record()

    async def record_event(self, arguments: Arguments) -> Any:
        """Record an event; returns it once it is durable."""
        data = arguments.get("data")
        if not isinstance(data, Mapping | None):
            raise BadRequest('"data" must be an object')
        at = optional_instant(arguments, "at", self._zone)
        event = await self._scheduler.record_event(text(arguments, "name"), data, at)
        return {"id": event.id, "name": event.name, "at": event.at.isoformat()}

    async def list_events(self, arguments: Arguments) -> Any:
        """Return the recorded events that match, newest first."""
        events = await self._scheduler.recorded_events(
            arguments.get("names", "*"),
            since=optional_instant(arguments, "since", self._zone),
            until=optional_instant(arguments, "until", self._zone),
            limit=limit_of(arguments),
            runs=flag(arguments, "runs"),
        )
        return await _convert_all(event_as_json, events)

    async def delete_events(self, arguments: Arguments) -> Any:
        """Delete recorded events; returns how many."""
        before = optional_instant(arguments, "before", self._zone)
        return {"deleted": await self._scheduler.delete_events(arguments.get("names", ()), before)}

    async def test_notifier(self, arguments: Arguments) -> Any:
        """Deliver a test notice; raises PluginError if that fails."""
        runtime = self._scheduler.runtime
        now = runtime.now().astimezone(self._zone)
        return await deliver_sample(text(arguments, "notifier"), runtime.notifiers, now)

    async def list_notices(self, _: Arguments) -> Any:
        """Return the notices that are not delivered yet, the oldest first."""
        return list(map(undelivered_record, self._scheduler.runtime.engine.notices()))

    async def change_outbox(self, arguments: Arguments) -> Any:
        """Deliver at once what waits for another try or was given up, or with `discard` forget it; return how many."""
        notifier, runtime = optional_text(arguments, "notifier"), self._scheduler.runtime
        known = {*runtime.notifiers, *(notice.notifier for notice in runtime.engine.notices())}
        if notifier is not None and notifier not in known:
            raise BadRequest(f"no notifier {quote(notifier)}{did_you_mean(notifier, known)}")
        return await runtime.request(lambda ask: ChangeOutbox(notifier, flag(arguments, "discard"), ask))

    async def backup(self, arguments: Arguments) -> Any:
        """Write a backup of the store; returns its summary."""
        path, replace = absolute_path(arguments, "path"), flag(arguments, "replace")
        return (await self._scheduler.backup(path, replace=replace)).record()

    async def prune(self, arguments: Arguments) -> Any:
        """Remove history beyond its bounds, and what is older than this many seconds; return how much."""
        seconds = optional_seconds(arguments, "older_than")
        return {"removed": await self._scheduler.runtime.prune(None if seconds is None else timedelta(seconds=seconds))}

    async def reload(self, _: Arguments) -> Any:
        """Load the configuration again, as a whole or not at all; returns the changes."""
        return await self._reload()

    async def stop(self, arguments: Arguments) -> Any:
        """Stop the daemon: at once with `now`, else after the grace of the settings; returns what that waits for."""
        runtime = self._scheduler.runtime
        grace = 0.0 if flag(arguments, "now") else runtime.shutdown_grace.total_seconds()
        await stop_as_requested(self._stop, arguments)
        return {"waits_for": runtime.awaited_jobs(), "keeps": runtime.kept_jobs(), "grace_seconds": grace}

    async def wait_stopped(self, _: Arguments) -> Any:
        """Wait for the end of a requested stop; return the results of the runs that were active then."""
        runtime = self._scheduler.runtime
        await runtime.stopped.wait()
        ended = [{"run_id": run.id, "job": run.job, "state": run.state.value} for run in runtime.ended_while_stopping]
        return {"ended": ended, "left": runtime.awaited_jobs(), "keeps": runtime.kept_jobs()}


async def _convert_all(convert: Callable[[T], dict[str, Any]], values: Sequence[T]) -> list[dict[str, Any]]:
    """Return the records of values; many are converted in a thread, so that the event loop goes on meanwhile."""
    if len(values) <= MAX_RECORDS_AT_ONCE:
        return list(map(convert, values))
    return await asyncio.to_thread(lambda: list(map(convert, values)))


async def stop_as_requested(stop: StopFunction, arguments: Arguments) -> Any:
    """Carry out the command "stop"."""
    grace = timedelta(0) if flag(arguments, "now") else None
    await stop(grace, leave_running=flag(arguments, "leave_running"))
    return {}


def with_arguments(command: Command, *names: str) -> Command:
    """Return the command with a check of argument names, so that a misspelled one is an error."""

    async def check_arguments(arguments: Arguments) -> Any:
        for given in arguments:
            if given not in names:
                raise BadRequest(f"unknown argument {given[:64]!r}{did_you_mean(given[:64], names)}")
        return await command(arguments)

    return check_arguments
