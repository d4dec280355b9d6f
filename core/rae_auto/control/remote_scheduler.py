"""The scheduler of a running daemon for programs: the methods of `Scheduler`, through its control connection.

A program that only connects needs none of the engine and the runtime, which take longer to import than a daemon to
answer; what belongs to them is imported by the methods that need it.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rae_auto.api.events import Event
from rae_auto.control.asking import ask, open_connection
from rae_auto.control.protocol import decode_answer, decode_event, encode_request
from rae_auto.control.run_ends import RunWaits
from rae_auto.errors import BadRequest, DaemonUnreachable, InvalidJob, RunNotFound, SchedulerClosed
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_info import JobInfo, JobStatus
from rae_auto.model.job_state import check_pause
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.primitives.problems import describe_value
from rae_auto.model.run import Run
from rae_auto.model.value_checks import check_arguments
from rae_auto.paths import output_path, state_directory
from rae_auto.records.entries import load_entries
from rae_auto.records.query_checks import check_instant, check_states
from rae_auto.records.statistics import Statistics

if TYPE_CHECKING:
    from rae_auto.records.backup_files import Backup
    from rae_auto.runtime.sync_scheduler import SyncScheduler

MAX_CALLS = 16
"""Number of concurrent calls of one scheduler, which leaves half of the daemon's places to other clients."""


def connect(directory: Path | str | None = None) -> "Connection":
    """Return a connection to the daemon of a state directory (default: RAE_STATE_DIR or the platform's).

    `async with rae_auto.connect() as scheduler:` gives the methods of `Scheduler`, `with rae_auto.connect() as
    scheduler:` those of `SyncScheduler`. Raises DaemonUnreachable, at the `with`, if no daemon runs.
    """
    if directory is not None and not isinstance(directory, str | Path):
        raise BadRequest(f"connect: directory must be a path or text, not {describe_value(directory)}")
    return Connection(Path(directory).absolute() if directory is not None else state_directory())


class Connection:
    """A daemon to connect to: for `async with`, for `with`, or by `sync()` for a REPL."""

    def __getattr__(self, name: str) -> Any:
        """Explain what is missing if a scheduler's methods are called on this itself. Raises SchedulerClosed."""
        from rae_auto.runtime.sync_scheduler import SyncScheduler  # lazy: start-up

        if not name.startswith("_") and hasattr(SyncScheduler, name):
            raise SchedulerClosed(
                "the connection isn't open; use it as 'with rae_auto.connect() as scheduler:' or 'async with …', "
                "or call connect().sync(), its open() and later its close()"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened: SyncScheduler | None = None

    async def __aenter__(self) -> "RemoteScheduler":
        return await RemoteScheduler(self._directory).__aenter__()

    async def __aexit__(self, *_: object) -> None:
        pass

    def __enter__(self) -> "SyncScheduler":
        self._opened = self.sync()
        self._opened.open()
        return self._opened

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()

    def sync(self) -> "SyncScheduler":
        """Return a SyncScheduler that `open` connects and `close` disconnects."""
        from rae_auto.control.sync_remote_scheduler import SyncRemoteScheduler  # lazy: start-up

        return SyncRemoteScheduler(self.__aenter__)


@check_arguments
class RemoteScheduler:
    """A scheduler in another process. Its methods, results and errors are those of `Scheduler`.

    Each call has a connection of its own: one that takes long holds up no other, and the next call after a restart of
    the daemon finds the new one. Of a thousand calls at once, 16 are under way, and the others wait for them. Errors
    beside those of `Scheduler`: DaemonUnreachable.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turns = asyncio.Semaphore(MAX_CALLS)
        self._waits = RunWaits(directory)

    async def __aenter__(self) -> Self:
        daemon = await self._ask("ping")
        if (refusal := daemon.get("refusal")) is not None:
            raise DaemonUnreachable(refusal)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def directory(self) -> Path:
        """Return the state directory."""
        return self._directory

    async def close(self) -> None:
        """Disconnect; the daemon goes on."""

    # Jobs

    async def add_job(self, job: Job, *, replace: bool = False) -> JobId:
        """As `Scheduler.add_job`. Errors: InvalidJob also for a function of this program's main module."""
        if (job.python or "").startswith("__main__:"):
            raise InvalidJob(
                f"job {quote(job.id)}: the daemon can't import a function of this program's main module; "
                "put it into a module that the daemon finds"
            )
        return JobId((await self._ask("add", definition=documents.dump(job), replace=replace, via="python"))["job"])

    async def add_jobs(self, jobs: Iterable[Job], *, replace: bool = False) -> list[JobId]:
        """As `Scheduler.add_jobs`."""
        return list(await asyncio.gather(*(self.add_job(job, replace=replace) for job in jobs)))

    async def remove_job(self, job: str) -> None:
        """As `Scheduler.remove_job`."""
        await self._ask("remove", job=job)

    async def rename_job(self, job: str, new: str) -> None:
        """As `Scheduler.rename_job`."""
        await self._ask("rename", job=job, new=new)

    async def get_job_status(self, job: str) -> JobStatus:
        """As `Scheduler.get_job_status`."""
        return (await self._show(job))[1].status

    async def list_jobs(self) -> list[JobInfo]:
        """As `Scheduler.list_jobs`."""
        return [documents.load(JobInfo, info) for info in await self._ask("list", documents=True)]

    async def get_job(self, job: str) -> Job:
        """As `Scheduler.get_job`."""
        return (await self._show(job))[0]

    async def pause(self, job: str, *, until: datetime | None = None, note: str = "") -> bool:
        """As `Scheduler.pause`."""
        check_pause(until, note, None)
        answer = await self._ask("pause", job=job, until=until and until.isoformat(), note=note)
        return bool(answer["changed"])

    async def resume(self, job: str) -> bool:
        """As `Scheduler.resume`."""
        return bool((await self._ask("resume", job=job))["changed"])

    async def skip(self, job: str, *, undo: bool = False) -> datetime:
        """As `Scheduler.skip`."""
        return datetime.fromisoformat((await self._ask("skip", job=job, undo=undo))["at"])

    async def _show(self, job: str) -> tuple[Job, JobInfo]:
        shown = await self._ask("show", job=job, documents=True)
        return documents.load(Job, shown["definition"]), documents.load(JobInfo, shown["info"])

    # Runs

    async def trigger(
        self,
        job: str,
        *,
        event: Mapping[str, Any] | None = None,
        request: str | None = None,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        force: bool = False,
    ) -> RunId:
        """As `Scheduler.trigger`."""
        inputs = {"env": None if env is None else dict(env), "args": list(args), "force": force, "via": "python"}
        return RunId((await self._ask("trigger", job=job, event=event, request=request, **inputs))["run_id"])

    async def cancel(self, target: str) -> list[RunId]:
        """As `Scheduler.cancel`."""
        return [RunId(run) for run in (await self._ask("cancel", job=target))["cancelled"]]

    async def get_run(self, run: str) -> Run:
        """As `Scheduler.get_run`."""
        found = await self._history(run=run, limit=1)
        if not found:
            raise RunNotFound(f"no run {quote(run)}; 'rae-auto history' lists them")
        return found[0]

    async def wait(self, run: str, timeout: float | None = None) -> Run:  # noqa: ASYNC109 - as Scheduler.wait
        """As `Scheduler.wait`; any number of waits shares one connection."""
        from rae_auto.runtime.concurrency.wait_limits import limit_wait  # lazy: start-up

        async with limit_wait(run, timeout):
            return await self._waits.wait(run, lambda: self.get_run(run))

    async def read_output(self, run: str, attempt: int | None = None) -> str:
        """As `Scheduler.read_output`."""
        from rae_auto.runtime.execution.output_files import read_output_file  # lazy: start-up

        found = await self.get_run(run)
        path = output_path(self._directory, found.job, found.id, attempt or found.attempt)
        return await asyncio.to_thread(read_output_file, path)

    async def history(
        self,
        job: str | None = None,
        *,
        states: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """As `Scheduler.history`."""
        since, until = check_instant("since", since), check_instant("until", until)
        return await self._history(job=job, states=list(check_states(states)), since=since, until=until, limit=limit)

    async def _history(self, **query: Any) -> list[Run]:
        return load_entries(Run, await self._ask("history", documents=True, **query))

    async def statistics(self, job: str | None = None, since: datetime | None = None) -> Statistics:
        """As `Scheduler.statistics`."""
        return documents.load(Statistics, await self._ask("stats", job=job, since=check_instant("since", since)))

    # Events

    async def record_event(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """As `Scheduler.record_event`."""
        recorded = await self._ask("record_event", name=name, data=data, at=at)
        return Event(recorded["id"], recorded["name"], parse_instant(recorded["at"]), dict(data or {}))

    async def recorded_events(
        self,
        names: str | Sequence[str] = "*",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        runs: bool = False,
    ) -> list[Event]:
        """As `Scheduler.recorded_events`."""
        given = names if isinstance(names, str) else list(names)
        found = await self._ask("list_events", names=given, since=since, until=until, limit=limit, runs=runs)
        return [Event(event["id"], event["name"], parse_instant(event["at"]), event["data"]) for event in found]

    async def delete_events(self, names: str | Sequence[str], before: datetime | None = None) -> int:
        """As `Scheduler.delete_events`."""
        given = names if isinstance(names, str) else list(names)
        return int((await self._ask("delete_events", names=given, before=before))["deleted"])

    async def events(self) -> AsyncGenerator[Mapping[str, Any], None]:
        """As `Scheduler.events`, from the first event on that is waited for, until the daemon stops."""
        async with self._listening() as events:
            async for event in events:
                yield event

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[AsyncIterator[Mapping[str, Any]]]:
        """Subscribe to events; anything read inside the `with` block is at least as new as the subscription."""
        async with open_connection(self._directory) as (reader, writer):
            writer.write(encode_request("events", {}, 1))
            decode_answer(await reader.readline())
            yield _decode_events(reader)

    async def backup(self, target: Path | str, *, replace: bool = False) -> "Backup":
        """As `Scheduler.backup`."""
        from rae_auto.records.backup_files import Backup  # lazy: start-up

        made = await self._ask("backup", path=_absolute(target), replace=replace)
        return Backup(Path(made["path"]), parse_instant(made["created_at"]), made["version"], made["changes"])

    async def _ask(self, command: str, **arguments: Any) -> Any:
        async with self._turns:
            return await ask(self._directory, command, **arguments)


def _absolute(path: Path | str) -> str:
    return str(Path(path).absolute())


async def _decode_events(reader: asyncio.StreamReader) -> AsyncIterator[Mapping[str, Any]]:
    while line := await reader.readline():
        if (event := decode_event(line)) is not None:
            yield event
