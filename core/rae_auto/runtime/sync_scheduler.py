"""The scheduler for programs without an event loop, and for other threads of those that have one."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from rae_auto.api.events import Event
from rae_auto.errors import SchedulerClosed
from rae_auto.model.job import Job
from rae_auto.model.job_info import JobInfo, JobStatus
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import Run
from rae_auto.model.value_checks import check_arguments
from rae_auto.records.backup_files import Backup
from rae_auto.records.statistics import Statistics
from rae_auto.runtime.concurrency.owned_threads import OwnedThreads
from rae_auto.runtime.scheduler import Scheduler

T = TypeVar("T")

NOT_OPEN = "the scheduler isn't open; use it as 'with SyncScheduler() as scheduler:'"


@check_arguments
class SyncScheduler:
    """A scheduler whose methods block. Any number of threads may share one.

    `with SyncScheduler(...) as s:` takes the arguments of `Scheduler` and runs it in a thread of its own;
    `SyncScheduler.of(scheduler)` is one for a scheduler that runs already. Not for the thread of the event loop itself.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._scheduler: Scheduler | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, scheduler: Scheduler) -> Self:
        """Return a `SyncScheduler` for a scheduler that is open. Raises SchedulerClosed if it isn't."""
        self = cls()
        self._scheduler, self._loop = scheduler, scheduler.event_loop
        return self

    def __enter__(self) -> Self:
        self.open()
        return self

    def open(self) -> None:
        """Start a scheduler in a thread of its own, as `with` does. Raises what `Scheduler.open` raises.

        For a REPL or a notebook; call `close` at the end.
        """
        if self._scheduler is not None:
            raise RuntimeError("the scheduler is open already")
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="rae-auto")
        self._thread.start()
        try:
            opened.result()
        except BaseException:
            self._thread.join()
            self._thread = None
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the scheduler that `open` or `with` started, as `Scheduler.close` does."""
        if self._thread is None or self._loop is None:
            return
        self._call(self._running.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._thread = self._loop = self._scheduler = None

    def add_job(self, job: Job, *, replace: bool = False) -> JobId:
        """As `Scheduler.add_job`."""
        return self._call(self._running.add_job(job, replace=replace))

    def add_jobs(self, jobs: Sequence[Job], *, replace: bool = False) -> list[JobId]:
        """As `Scheduler.add_jobs`."""
        return self._call(self._running.add_jobs(jobs, replace=replace))

    def remove_job(self, job: str) -> None:
        """As `Scheduler.remove_job`."""
        self._call(self._running.remove_job(job))

    def get_job(self, job: str) -> Job:
        """As `Scheduler.get_job`."""
        return self._call(self._running.get_job(job))

    def rename_job(self, job: str, new: str) -> None:
        """As `Scheduler.rename_job`."""
        self._call(self._running.rename_job(job, new))

    def get_job_status(self, job: str) -> JobStatus:
        """As `Scheduler.get_job_status`."""
        return self._call(self._running.get_job_status(job))

    def list_jobs(self) -> list[JobInfo]:
        """As `Scheduler.list_jobs`."""
        return self._call(self._running.list_jobs())

    def trigger(
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
        return self._call(self._running.trigger(job, event=event, request=request, env=env, args=args, force=force))

    def cancel(self, target: str) -> list[RunId]:
        """As `Scheduler.cancel`."""
        return self._call(self._running.cancel(target))

    def pause(self, job: str, *, until: datetime | None = None, note: str = "") -> bool:
        """As `Scheduler.pause`."""
        return self._call(self._running.pause(job, until=until, note=note))

    def resume(self, job: str) -> bool:
        """As `Scheduler.resume`."""
        return self._call(self._running.resume(job))

    def skip(self, job: str, *, undo: bool = False) -> datetime:
        """As `Scheduler.skip`."""
        return self._call(self._running.skip(job, undo=undo))

    def get_run(self, run: str) -> Run:
        """As `Scheduler.get_run`."""
        return self._call(self._running.get_run(run))

    def wait(self, run: str, timeout: float | None = None) -> Run:
        """As `Scheduler.wait`; TimeoutError after `timeout` seconds."""
        return self._call(self._running.wait(run, timeout))

    def read_output(self, run: str, attempt: int | None = None) -> str:
        """As `Scheduler.read_output`."""
        return self._call(self._running.read_output(run, attempt))

    def history(
        self,
        job: str | None = None,
        *,
        states: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """As `Scheduler.history`."""
        return self._call(self._running.history(job, states=states, since=since, until=until, limit=limit))

    def statistics(self, job: str | None = None, since: datetime | None = None) -> Statistics:
        """As `Scheduler.statistics`."""
        return self._call(self._running.statistics(job, since))

    def record_event(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """As `Scheduler.record_event`."""
        return self._call(self._running.record_event(name, data, at))

    def recorded_events(
        self,
        names: str | Sequence[str] = "*",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        runs: bool = False,
    ) -> list[Event]:
        """As `Scheduler.recorded_events`."""
        return self._call(self._running.recorded_events(names, since=since, until=until, limit=limit, runs=runs))

    def delete_events(self, names: str | Sequence[str], before: datetime | None = None) -> int:
        """As `Scheduler.delete_events`."""
        return self._call(self._running.delete_events(names, before))

    def backup(self, target: Path | str, *, replace: bool = False) -> Backup:
        """As `Scheduler.backup`."""
        return self._call(self._running.backup(target, replace=replace))

    @property
    def _running(self) -> Scheduler:
        if self._scheduler is None:
            raise SchedulerClosed(NOT_OPEN)
        return self._scheduler

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or self._loop.is_closed():
            work.close()
            raise SchedulerClosed(NOT_OPEN)
        if asyncio._get_running_loop() is self._loop:
            work.close()
            raise RuntimeError("this is the thread of the scheduler's own event loop; await the Scheduler's method")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _run(self, opened: "Future[None]") -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._loop.set_default_executor(OwnedThreads())
            try:
                self._scheduler = runner.run(self._open())
            except BaseException as error:
                self._scheduler = self._loop = None
                opened.set_exception(error)
                return
            opened.set_result(None)
            self._loop.run_forever()

    async def _open(self) -> Scheduler:
        scheduler = Scheduler(**self._options)
        await scheduler.open()
        return scheduler
