"""The commands of the control socket: what can be asked of a running daemon, and what it answers."""

import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rae_auto._version import __version__
from rae_auto.config.definitions import read_job
from rae_auto.control.requests import absolute_path, flag, limit_of, log_query, optional_instant, optional_text, text
from rae_auto.errors import BadRequest
from rae_auto.explain.collector import why
from rae_auto.explain.why import as_json
from rae_auto.model import documents
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.records import job_record, run_record
from rae_auto.model.run import Run
from rae_auto.records.events import event_record
from rae_auto.records.world_log import happenings_in
from rae_auto.runtime.execution.assignments import output_path
from rae_auto.runtime.job_status import info_of
from rae_auto.runtime.scheduler import Scheduler

Arguments = Mapping[str, Any]
Command = Callable[[Arguments], Awaitable[Any]]

UPCOMING = 10
"""How many jobs that are due next `status` tells."""


class Commands:
    """Answers requests with JSON values; errors are those of `errors.py`."""

    def __init__(
        self,
        scheduler: Scheduler,
        config: Path | None,
        reload: Callable[[], Awaitable[Mapping[str, Any]]],
        problems: Callable[[], list[str]],
    ) -> None:
        self._scheduler = scheduler
        self._config = config
        self._reload = reload
        self._problems = problems
        self._started_at = scheduler.now()

    def table(self) -> dict[str, Command]:
        """The commands by name."""
        return {
            "ping": _taking(self.ping),
            "status": _taking(self.status),
            "list": _taking(self.list),
            "show": _taking(self.show, "job"),
            "add": _taking(self.add, "definition", "replace"),
            "remove": _taking(self.remove, "job"),
            "trigger": _taking(self.trigger, "job", "request", "event"),
            "cancel": _taking(self.cancel, "job", "run"),
            "pause": _taking(self.pause, "job"),
            "resume": _taking(self.resume, "job"),
            "history": _taking(self.history, "job", "run", "states", "since", "until", "limit"),
            "output": _taking(self.output, "run"),
            "why": _taking(self.why, "job", "at", "run"),
            "happenings": _taking(self.happenings, "since", "until"),
            "stats": _taking(self.stats, "job", "since"),
            "record": _taking(self.record, "name", "data", "at"),
            "recorded": _taking(self.recorded, "names", "since", "until", "limit", "runs"),
            "forget": _taking(self.forget, "names", "before"),
            "backup": _taking(self.backup, "path", "replace"),
            "reload": _taking(self.reload),
            "stop": _taking(self.stop, "now", "leave_running"),
        }

    async def ping(self, _: Arguments) -> Any:
        return {"pid": os.getpid(), "version": __version__}

    async def status(self, _: Arguments) -> Any:
        scheduler, engine = self._scheduler, self._scheduler.engine
        runs = [opened.run for opened in engine.runs()]
        jobs = [(engine.next_at(entry.job.id), entry) for entry in engine.jobs()]
        due = sorted(((at, entry.job.id) for at, entry in jobs if at is not None), key=lambda pair: pair[0])
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self._started_at.isoformat(),
            "state_directory": str(scheduler.directory),
            "config": self._config and str(self._config),
            "state": "degraded" if scheduler.trouble else "stopping" if engine.stopping else "running",
            "enabled": scheduler.settings.enabled,
            "jobs": len(jobs),
            "running": [run_record(run) for run in runs if run.state.active],
            "waiting": [self._waiting(run) for run in runs if not run.state.active],
            "next": [{"job": job, "at": at.isoformat()} for at, job in due[:UPCOMING]],
            "problems": [*filter(None, [scheduler.trouble]), *scheduler.held, *self._problems()],
        }

    def _waiting(self, run: Run) -> dict[str, Any]:
        return {**run_record(run), "waiting_for": self._scheduler.waiting_for(run.id)}

    async def list(self, _: Arguments) -> Any:
        return [job_record(info) for info in await self._scheduler.list_jobs()]

    async def show(self, arguments: Arguments) -> Any:
        entry = self._scheduler.engine.job(text(arguments, "job"))  # type: ignore[arg-type]
        opened = self._scheduler.engine.runs(entry.job.id)
        return {
            "definition": documents.dump(entry.job),
            "info": job_record(info_of(self._scheduler.engine, entry)),
            "open": [run_record(o.run) for o in opened],
        }

    async def add(self, arguments: Arguments) -> Any:
        definition = arguments.get("definition")
        if not isinstance(definition, Mapping):
            raise BadRequest("add needs a definition: an object with the fields of a job")
        return {"job": await self._scheduler.add_job(read_job(definition), replace=flag(arguments, "replace"))}

    async def remove(self, arguments: Arguments) -> Any:
        await self._scheduler.remove_job(text(arguments, "job"))
        return {}

    async def trigger(self, arguments: Arguments) -> Any:
        run = await self._scheduler.trigger(
            text(arguments, "job"), event=arguments.get("event"), request=optional_text(arguments, "request")
        )
        return {"run_id": run}

    async def cancel(self, arguments: Arguments) -> Any:
        target = text(arguments, "job" if arguments.get("run") is None else "run")
        return {"cancelled": await self._scheduler.cancel(target)}

    async def pause(self, arguments: Arguments) -> Any:
        await self._scheduler.pause(text(arguments, "job"))
        return {}

    async def resume(self, arguments: Arguments) -> Any:
        await self._scheduler.resume(text(arguments, "job"))
        return {}

    async def history(self, arguments: Arguments) -> Any:
        return [run_record(run) for run in await self._scheduler.runs(log_query(arguments))]

    async def why(self, arguments: Arguments) -> Any:
        at, run = optional_text(arguments, "at"), optional_text(arguments, "run")
        return as_json(await why(self._scheduler, text(arguments, "job"), at, run))

    async def output(self, arguments: Arguments) -> Any:
        run = await self._scheduler.get_run(text(arguments, "run"))
        path = output_path(self._scheduler.directory, run.id, run.attempt)
        return {"path": str(path), "state": run.state.value, "attempt": run.attempt}

    async def happenings(self, arguments: Arguments) -> Any:
        since, until = optional_instant(arguments, "since"), optional_instant(arguments, "until")
        return await self._scheduler.ask_store(lambda store: happenings_in(store, since, until))

    async def stats(self, arguments: Arguments) -> Any:
        job = optional_text(arguments, "job")
        found = await self._scheduler.statistics(job, optional_instant(arguments, "since"))
        if job is not None and not found.runs:
            # Nothing is known of it: it may be misspelt.
            self._scheduler.engine.job(JobId(job))
        return found.record()

    async def record(self, arguments: Arguments) -> Any:
        data = arguments.get("data")
        if not isinstance(data, Mapping | None):
            raise BadRequest("data must be an object")
        at = optional_instant(arguments, "at")
        event = await self._scheduler.record_event(text(arguments, "name"), data, at)
        return {"id": event.id, "name": event.name, "at": event.at.isoformat()}

    async def recorded(self, arguments: Arguments) -> Any:
        events = await self._scheduler.recorded_events(
            arguments.get("names", "*"),
            since=optional_instant(arguments, "since"),
            until=optional_instant(arguments, "until"),
            limit=limit_of(arguments),
            runs=flag(arguments, "runs"),
        )
        return [event_record(event) for event in events]

    async def forget(self, arguments: Arguments) -> Any:
        before = optional_instant(arguments, "before")
        return {"forgotten": await self._scheduler.forget_events(arguments.get("names", ()), before)}

    async def backup(self, arguments: Arguments) -> Any:
        path, replace = absolute_path(arguments, "path"), flag(arguments, "replace")
        return (await self._scheduler.backup(path, replace=replace)).record()

    async def reload(self, _: Arguments) -> Any:
        return await self._reload()

    async def stop(self, arguments: Arguments) -> Any:
        grace = timedelta(0) if flag(arguments, "now") else None
        await self._scheduler.stop(grace, leave_running=flag(arguments, "leave_running"))
        return {}


def _taking(command: Command, *names: str) -> Command:
    """The command, but an argument that it doesn't know is an error: a misspelt one must not count as absent."""

    async def checked(arguments: Arguments) -> Any:
        for given in arguments:
            if given not in names:
                raise BadRequest(f"there is no argument {given[:64]!r}{did_you_mean(given[:64], names)}")
        return await command(arguments)

    return checked
