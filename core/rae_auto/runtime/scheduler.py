"""The public API: a scheduler inside a program. `rae-auto run` is the same one with a control socket around it."""

import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from loguru import logger

from rae_auto.api.events import Event
from rae_auto.api.plugin import PluginSource
from rae_auto.api.store import LogQuery, Store
from rae_auto.engine.effects import Cancel, Notify, Start, Step, Stopped
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import (
    AddJob,
    CancelRuns,
    Origin,
    Plan,
    Reconfigure,
    RemoveJob,
    SetPaused,
    Settings,
    Stop,
    TriggerFired,
)
from rae_auto.errors import InvalidJob, RunNotFound, SchedulerClosed, StoreError
from rae_auto.model import documents
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.job import Job
from rae_auto.model.job_info import JobInfo, JobStatus
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import Retention
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.primitives.zones import local_zone_name
from rae_auto.model.run import Run
from rae_auto.paths import state_directory
from rae_auto.records.backup_files import Backup
from rae_auto.records.backup_files import write as write_backup
from rae_auto.records.events import event_patterns, forgettable, has_happened
from rae_auto.records.runs import newest_runs
from rae_auto.records.statistics import Statistics, statistics_of
from rae_auto.registry import Registry
from rae_auto.registry.factory import Planned, PluginFactory
from rae_auto.runtime.clock import Clock, SystemClock
from rae_auto.runtime.engine_loop import EngineLoop
from rae_auto.runtime.execution.executions import Executions
from rae_auto.runtime.job_status import info_of, status_of
from rae_auto.runtime.recovery import find_again, take_up
from rae_auto.runtime.reporting.announcements import tell
from rae_auto.runtime.reporting.event_stream import EventStream
from rae_auto.runtime.reporting.notifications import Notifications
from rae_auto.runtime.repository import PATIENCE, Repository
from rae_auto.runtime.retention import keep_tidy
from rae_auto.runtime.runtime import Runtime, occurrence_of
from rae_auto.runtime.shutdown import ShutdownDeadline
from rae_auto.toolkit.files import private_directory

if TYPE_CHECKING:
    from rae_auto.runtime.sync_scheduler import SyncScheduler


T = TypeVar("T")


class Scheduler:
    """Runs jobs. Use it as `async with Scheduler() as scheduler:`; all methods belong to that event loop.

    Other threads go through `scheduler.sync`. Jobs that are added live in the store and are there after a restart.
    """

    def __init__(
        self,
        *,
        directory: Path | str | None = None,
        store: str | PluginRef | Store = "sqlite",
        timezone: str | None = None,
        max_parallel: int = 8,
        max_queue: int = 10_000,
        resources: Mapping[str, int] | None = None,
        enabled: bool = True,
        shutdown_grace: timedelta = timedelta(seconds=30),
        retention: Retention | None = None,
        jobs: Iterable[Job] = (),
        notifiers: Mapping[str, PluginRef] | None = None,
        clock: Clock | None = None,
        plugins: PluginSource | None = None,
    ) -> None:
        """`directory` holds the state (default: RAE_STATE_DIR or the platform's); `jobs` are as of a configuration."""
        self.directory = Path(directory) if directory is not None else state_directory()
        self.shutdown_grace = shutdown_grace
        self.retention = retention or Retention()
        self.settings = Settings(max_parallel, enabled, dict(resources or {}), max_queue)
        self._given_store = store
        self._given_jobs = tuple(jobs)
        self._given_notifiers = dict(notifiers or {})
        self.plugins = PluginFactory(plugins or Registry(), timezone or local_zone_name())
        self.containment = self.plugins.containment
        self.clock = clock or SystemClock()
        self._engine = Engine()
        self._stopped = asyncio.Event()
        self._broadcast = EventStream()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turning: asyncio.Task[None] | None = None
        self._giving_up = ShutdownDeadline(lambda: self.trouble, self._stopped)
        self._planned: dict[JobId, Planned] = {}

    # Opening and closing

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Lock the store, take up what it holds, begin. Errors: StoreLocked, StoreError, InvalidJob, PluginError."""
        self._loop = asyncio.get_running_loop()
        for given in self._given_jobs:
            self.plugins.check_limits(given)
        plans = [self._plan(job, Origin.CONFIG) for job in self._given_jobs]
        self._notices = Notifications(
            {name: self.plugins.notifier(ref) for name, ref in self._given_notifiers.items()}, self.containment
        )
        self.directory = private_directory(self.directory)
        self._archive = Repository(self.plugins.store(self._given_store))
        for line in await self._archive.open(self.directory):
            logger.warning("{}", line)
        try:
            plan_of = partial(self._plan, origin=Origin.STORE)
            taken = await take_up(self._archive, self.directory, self.settings, plans, plan_of)
        except BaseException:
            await self._archive.close()
            raise
        self._shell = EngineLoop(self._engine, self.clock, self._archive.commit, self._perform)
        self._executions = Executions(self.directory, self.plugins.executor, self._shell.submit, dict(os.environ))
        self.surroundings = Runtime(
            self.directory, self._archive, self._shell, self._ask, self.clock, self._broadcast, self.containment
        )
        self._held = taken.held
        self._shell.submit(taken.restored)
        await find_again(taken.restored, self._executions, self._shell.submit)
        self._turning = self._loop.create_task(self._shell.run())
        # Whoever waits for the end must not wait for one that can't come any more.
        self._turning.add_done_callback(lambda _: self._stopped.set())
        await self._shell.begun.wait()
        await self.surroundings.begin(self._planned.values(), self._held)
        self._planned.clear()
        tidying = keep_tidy(self._archive, self.directory, lambda: self.retention, self.now)
        self._tidying = self._loop.create_task(tidying)

    async def close(self, grace: timedelta | None = None, *, leave_running: bool = False) -> None:
        """Start nothing more, give what runs `grace` (default: `shutdown_grace`), end the rest, let the store go.

        `leave_running` leaves commands to the next scheduler on this directory, which takes them over.
        """
        if self._turning is None:
            return
        await self.stop(grace, leave_running=leave_running)
        await self._stopped.wait()
        self._giving_up.cancel()
        self._tidying.cancel()
        await self.surroundings.close()
        self._shell.close()
        turning, self._turning = self._turning, None
        if self._giving_up.reason:
            turning.cancel()
        try:
            await (asyncio.wait({turning}) if self._giving_up.reason else turning)
        finally:
            await self._executions.close()
            await self._notices.close()
            self._broadcast.close()
            await self._archive.close(1.0 if self._giving_up.reason else PATIENCE)
        if self._giving_up.reason:
            raise StoreError(self._giving_up.reason)

    async def stop(self, grace: timedelta | None = None, *, leave_running: bool = False) -> None:
        """Begin to stop; a second call may shorten the grace. `wait_stopped` tells when nothing is in hand any more."""
        wanted = self.shutdown_grace if grace is None else grace
        self._giving_up.after(wanted.total_seconds())
        if self.trouble:
            self._shell.submit(Stop(wanted, leave_running))
            return
        with contextlib.suppress(SchedulerClosed, StoreError):
            await self._shell.ask(lambda ask: Stop(wanted, leave_running, ask))

    async def wait_stopped(self) -> None:
        """Return once the scheduler has been stopped and nothing is in hand any more."""
        await self._stopped.wait()

    # Jobs

    async def add_job(self, job: Job, *, replace: bool = False) -> JobId:
        """Keep a job and run it from now on. Errors: DuplicateJob (unless `replace`), InvalidJob."""
        planned = self.plugins.plan(job, Origin.STORE)
        self.plugins.check_limits(job)
        _check_keepable(job)
        await self._ask(lambda ask: AddJob(planned.plan, replace, ask))
        self.surroundings.set(planned)
        return job.id

    async def add_jobs(self, jobs: Iterable[Job], *, replace: bool = False) -> list[JobId]:
        """Add many at once: one durable commit for all that come together."""
        return list(await asyncio.gather(*(self.add_job(job, replace=replace) for job in jobs)))

    async def remove_job(self, job: str) -> None:
        """Forget a job; runs in hand finish. Errors: JobNotFound, JobInUse."""
        await self._ask(lambda ask: RemoveJob(JobId(job), ask))
        self.surroundings.drop(JobId(job))

    async def get_job_status(self, job: str) -> JobStatus:
        """How a job stands. Errors: JobNotFound."""
        return status_of(self._engine, self._engine.job(JobId(job)))

    async def list_jobs(self) -> list[JobInfo]:
        """All jobs, in the order in which they came."""
        return [info_of(self._engine, entry) for entry in self._engine.jobs()]

    async def get_job(self, job: str) -> Job:
        """A job's definition. Errors: JobNotFound."""
        return self._engine.job(JobId(job)).job

    async def pause(self, job: str) -> None:
        """Let the job start nothing by itself. Errors: JobNotFound."""
        await self._ask(lambda ask: SetPaused(JobId(job), True, ask))

    async def resume(self, job: str) -> None:
        """Let the job go on. Errors: JobNotFound."""
        await self._ask(lambda ask: SetPaused(JobId(job), False, ask))

    # Runs

    async def trigger(self, job: str, *, event: Mapping[str, Any] | None = None, request: str | None = None) -> RunId:
        """Ask for a run; returns once it is durable. `request` identifies the asking: repeated, it leads to one run.

        Errors: JobNotFound, NotStarted (a policy refused it; the message says which), BadRequest (an event no JSON).
        """
        occurrence = occurrence_of(JobId(job), MANUAL, request or uuid.uuid4().hex, event, self.now())
        answer = await self._ask(lambda ask: TriggerFired(occurrence, ask))
        return RunId(answer["run_id"])

    async def cancel(self, target: str) -> list[RunId]:
        """End a run, or all open runs of a job. Errors: RunNotFound, JobNotFound."""
        if self._engine.run(RunId(target)) is not None:
            answer = await self._ask(lambda ask: CancelRuns(run=RunId(target), ask=ask))
        else:
            answer = await self._ask(lambda ask: CancelRuns(job=JobId(target), ask=ask))
        return list(answer["cancelled"])

    async def get_run(self, run: str) -> Run:
        """A run, open or over. Errors: RunNotFound."""
        opened = self._engine.run(RunId(run))
        found = [opened.run] if opened else await self._archive.runs(LogQuery(key=run, limit=1))
        if not found:
            raise RunNotFound(f"no run {run!r}; 'rae-auto history' lists them")
        return found[0]

    async def wait(self, run: str) -> Run:
        """The run, once it is over. Errors: RunNotFound."""
        async with contextlib.aclosing(self.events()) as events:
            found = await self.get_run(run)
            while not found.state.final:
                async for event in events:
                    if event["kind"] == "run" and event["run"]["run_id"] == run:
                        break
                found = await self.get_run(run)
            return found

    async def history(
        self,
        job: str | None = None,
        *,
        states: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Runs, open ones included, the newest first; `since` and `until` bound the time of queueing."""
        return await self.runs(LogQuery(job=job, states=tuple(states), since=since, until=until, limit=limit))

    async def statistics(self, job: str | None = None, since: datetime | None = None) -> Statistics:
        """Numbers on the newest runs of a job, or of all, that are over and were queued since then."""
        return await self._archive.ask(lambda store: statistics_of(store, job, since))

    # Events

    async def record_event(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """Record that something happened; durable when this returns. Errors: BadRequest, StoreError."""
        self._check_open()
        return await self.surroundings.events.record(name, data, has_happened(at, self.now()))

    async def recorded_events(
        self,
        names: str | Sequence[str] = "*",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        runs: bool = False,
    ) -> list[Event]:
        """Recorded events of these names, with `runs` ends of runs too, the newest first. Errors: BadRequest."""
        self._check_open()
        found = self.surroundings.events.recorded(
            event_patterns(names), since=since, until=until, limit=limit, ends=runs
        )
        return (await found)[::-1]

    async def forget_events(self, names: str | Sequence[str], before: datetime | None = None) -> int:
        """Delete recorded events for good; how many there were. Errors: BadRequest, StoreError."""
        self._check_open()
        return await self.surroundings.events.forget(forgettable(names), before)

    def events(self) -> AsyncGenerator[Mapping[str, Any], None]:
        """What happens from now on, once durable: runs, decisions, changes of jobs. Slow readers lose the oldest."""
        return self._broadcast.subscribe()

    # The daemon's own

    @property
    def engine(self) -> Engine:
        """To look at, not to feed."""
        return self._engine

    @property
    def trouble(self) -> str | None:
        """Why state can't be written at present, if it can't."""
        return self._shell.trouble

    @property
    def held(self) -> list[str]:
        """Why jobs are held whose documents were found damaged, until somebody resumes them."""
        paused = {entry.job.id for entry in self._engine.jobs() if entry.state.paused}
        return [why for job, why in self._held.items() if job in paused]

    async def runs(self, query: LogQuery) -> list[Run]:
        """Runs that a query takes, open ones included, the newest first."""
        # Before the store is asked, since a run may end meanwhile: it is on its way there when the engine lets it go.
        opened = [o.run for o in self._engine.runs()]
        return newest_runs(query, opened, await self._archive.runs(query))

    async def decisions(self, query: LogQuery) -> list[Decision]:
        """Decisions that led to no run, the newest first."""
        return await self._archive.decisions(query)

    async def ask_store(self, question: Callable[[Store], T]) -> T:
        """What a function reads out of the store, in the store's own thread."""
        return await self._archive.ask(question)

    def now(self) -> datetime:
        """What the scheduler's clock says, in UTC."""
        return self.clock.now().wall

    def waiting_for(self, run: RunId) -> str | None:
        """Why an open run isn't in an executor's hands, in words."""
        reason = self._engine.waiting_for(run, self.clock.now())
        return None if reason is None else reason[1]

    async def backup(self, target: Path | str, *, replace: bool = False) -> Backup:
        """Write all that is durable now to a file, of which `rae-auto restore` makes a store. Errors: StoreError."""
        changes = await self._archive.dump()
        return await asyncio.to_thread(write_backup, Path(target), changes, self.now(), replace=replace)

    async def configure(
        self, jobs: Iterable[Job], settings: Settings, timezone: str, notifiers: Mapping[str, PluginRef]
    ) -> Mapping[str, Sequence[str]]:
        """Have the jobs and settings of a configuration that was read again, all or nothing.

        Returns the ids of jobs added, changed and removed. Errors: InvalidJob, DuplicateJob, PluginError.
        """
        plugins = PluginFactory(self.plugins.source, timezone, self.containment)
        planned = [plugins.plan(job, Origin.CONFIG) for job in jobs]
        told = {name: plugins.notifier(ref) for name, ref in notifiers.items()}
        event = tuple(one.plan for one in planned)
        # Before the engine asks the new schedules, whose failures are to stay on record.
        self.surroundings.forgive()
        answer = await self._ask(lambda ask: Reconfigure(settings, event, ask))
        self.plugins, self.settings, self._notices.notifiers = plugins, settings, told
        for one in planned:
            self.surroundings.set(one)
        for gone in answer["removed"]:
            self.surroundings.drop(gone)
        return answer

    @property
    def sync(self) -> "SyncScheduler":
        """This scheduler for other threads: the same methods, blocking."""
        # Late, since a synchronous scheduler is made of this one.
        from rae_auto.runtime.sync_scheduler import SyncScheduler

        if self._loop is None:
            raise SchedulerClosed("the scheduler isn't open")
        return SyncScheduler.of(self, self._loop)

    # Inside

    async def _ask(self, event_for: Any) -> Mapping[str, Any]:
        self._check_open()
        return await self._shell.ask(event_for)

    def _check_open(self) -> None:
        if self._turning is None:
            raise SchedulerClosed("the scheduler isn't open; use it as 'async with Scheduler() as scheduler:'")

    def _plan(self, job: Job, origin: Origin) -> Plan:
        planned = self.plugins.plan(job, origin)
        if planned.sources:
            self._planned[job.id] = planned
        return planned.plan

    def _perform(self, step: Step) -> None:
        tell(step, self._broadcast)
        self.surroundings.perform(step)
        for effect in step.effects:
            match effect:
                case Start(run, job):
                    self._executions.start(run, job)
                case Cancel(run_id, attempt, grace):
                    self._executions.cancel(run_id, attempt, grace)
                case Notify():
                    self._notices.send(effect)
                case Stopped():
                    self._stopped.set()


def _check_keepable(job: Job) -> None:
    """Refuse a job that no store can keep, which a store itself would find out too late. Errors: InvalidJob."""
    try:
        json.dumps(documents.dump(job))
    except (TypeError, ValueError) as error:
        raise InvalidJob(f"job {job.id!r}: holds what no store can keep: {error}") from None
