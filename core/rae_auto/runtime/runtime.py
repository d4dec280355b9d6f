"""The wiring of a running scheduler: its parts, what reports to what, and the order in which they stop.

    sources, guards, events ── inputs ─┐
    requests ── Scheduler ─────────────┼─► engine loop ─► repository (durable) ─► executions, notifications, reporting
    executors ── executions ───────────┘

A `Runtime` exists only while its store is open: `Runtime.open` either returns one that runs, or raises and leaves
nothing behind. Nothing is created after that.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve
from loguru import logger

from rae_auto.api.events import Event
from rae_auto.api.notifier import Notifier
from rae_auto.api.store import LogQuery, StoreReader
from rae_auto.engine.commands import Ask, Reconfigure, Stop
from rae_auto.engine.effects import Cancel, Deliver, Effect, EngineStopped, Record, Start, Step
from rae_auto.engine.engine import Engine, EngineInput
from rae_auto.engine.plan import JobOrigin, Settings
from rae_auto.errors import PluginError, SchedulerClosed, StoreError
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.formatting import time_format
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.primitives.zones import zone
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run
from rae_auto.model.shutdown_texts import describe_stop
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.records.store_move import finish_move
from rae_auto.registry.factory import Planned, PluginFactory
from rae_auto.runtime import recovery
from rae_auto.runtime.concurrency.limited_calls import call_in_thread, call_within, report_if_slow
from rae_auto.runtime.engine_loop import EngineLoop
from rae_auto.runtime.execution.executions import Executions
from rae_auto.runtime.execution.warming_up import warm_up_executors
from rae_auto.runtime.inputs import Inputs
from rae_auto.runtime.options import RuntimeOptions
from rae_auto.runtime.plugins.plugin_files import PluginFiles
from rae_auto.runtime.reporting.announcements import announce, announce_event
from rae_auto.runtime.reporting.decision_log import DecisionLog
from rae_auto.runtime.reporting.event_stream import EventStream
from rae_auto.runtime.reporting.fault_log import call_or_log
from rae_auto.runtime.reporting.notices import NoticeDescriber
from rae_auto.runtime.reporting.notifications import LAST_NOTICES_SECONDS, Notifications
from rae_auto.runtime.repository import CLOSE_TIMEOUT_SECONDS, Repository
from rae_auto.runtime.retention import HistoryBounds, shorten
from rae_auto.runtime.sharing.joining import OnStandby, join, restart_if_away
from rae_auto.runtime.shutdown import CLOSE_SECONDS, ShutdownDeadline

if TYPE_CHECKING:
    from rae_auto.runtime.sharing.membership import Membership

FAILED_STORE_CLOSE_SECONDS = 1.0
"""Time that a store gets to close when it could not be written before."""

MAX_CREATION_SECONDS = 8.0
"""Time that creating the plugins of a configuration that was read again may take."""

T = TypeVar("T")


class Runtime:
    """A running scheduler: an engine, its store, and the parts that carry out decisions."""

    def __init__(
        self,
        options: RuntimeOptions,
        factory: PluginFactory,
        repository: Repository,
        recovered: recovery.Recovered,
        membership: "Membership | None" = None,
    ) -> None:
        """Connect the parts. Nothing runs before `open` has started them."""
        self.directory = options.directory
        self.clock, self.settings = options.clock, options.settings
        self.retention = options.retention
        self.shutdown_grace = options.shutdown_grace
        self.factory = factory
        self.quarantine = factory.quarantine
        self.engine = Engine()
        self.events = EventStream()
        self._decision_log = DecisionLog()
        self.stopped = asyncio.Event()
        self._damaged_jobs = recovered.damaged_jobs
        self._repository = repository
        self.store_type, self.store_summary = repository.store_type, repository.store_summary
        self.membership = membership
        performing = repository.commit, self._perform, self._publish, self._rewrite
        self.engine_loop = EngineLoop(self.engine, self.clock, *performing, decides_ahead=membership is None)
        repository.on_damage = self.engine_loop.request_rewrite
        self._environment = {**options.environment, "RAE_STATE_DIR": str(self.directory)}
        submit, most = self.engine_loop.submit, lambda: self.retention.output
        self.executions = Executions(self.directory, factory.executor, submit, self._environment, self.quarantine, most)
        self.engine_loop.on_turn = self.executions.start_reports.note_turn
        notifiers = {name: factory.notifier(ref) for name, ref in options.notifiers.items()}
        parts = self._environment, repository.runs, lambda: self.zone, self.engine.find_job, self.engine.next_at
        describer = NoticeDescriber(self.directory, *parts)
        self._notifications = Notifications(notifiers, submit, quarantine=self.quarantine, describe=describer.describe)
        files = PluginFiles(self.request, lambda job: self.engine.job(job).plan, lambda: self.factory)
        loop, on_recorded, check = self.engine_loop, self._handle_recorded_event, self.executions.check_readiness
        self.inputs = Inputs(
            self.directory, repository, loop, self.request, self.clock, on_recorded, self.quarantine, files, check
        )
        self._deadline = ShutdownDeadline(
            lambda: self.store_problem, self.engine_loop.pending_commit, self.awaited_jobs, self.stopped
        )
        self._bounds = HistoryBounds(
            repository, self.directory, lambda: self.retention, self.now, self._open_runs, self.clock.now
        )
        self._bounds.on_ends = self.executions.executors.confirm_ends
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.stop_hint = ""
        """Clause of the log line about a stop: how to end at once what it waits for."""
        self._leaves_running = False
        self.ended_while_stopping: list[Run] = []
        """The runs that have ended after a stop was requested."""

    @classmethod
    async def open(
        cls,
        options: RuntimeOptions,
        on_locked: Callable[[], None] = lambda: None,
        on_standby: OnStandby = lambda _: None,
    ) -> Self:
        """Open the store, recover what it holds, and start. Raises StoreLocked, StoreError, InvalidJob, PluginError.

        `on_locked` is called once the state directory is ours and nothing has been read or started; if it raises, the
        start is refused. `on_standby` is called when a store that others use too is not ours yet.
        """
        factory = PluginFactory(options.plugins, options.timezone)

        def make_plugins() -> list[Planned]:
            for job in options.jobs:
                factory.check_limits(job)
            for ref in options.notifiers.values():
                factory.notifier(ref)
            return [factory.plan(job, JobOrigin.CONFIG) for job in options.jobs]

        making = call_in_thread("start", make_plugins)
        planned = await report_if_slow(making, "the start waits for a plugin that takes long to be created")
        directory = claim_state_directory(options.directory)
        repository = Repository(store := factory.store(options.store))
        if (message := finish_move(directory)) is not None:
            logger.warning("{}", message)
        duty = factory.executor, {**options.environment, "RAE_STATE_DIR": str(directory)}, options.jobs
        membership = await join(store, repository, directory, options.clock, duty, on_standby)
        if membership is not None:
            settings = evolve(options.settings, node=membership.node.name)
            options = evolve(options, clock=membership.clock, settings=settings)
        with restart_if_away(store):
            text = f"the start waits for the store in {directory}, which has not opened yet"
            for warning in await report_if_slow(repository.open(directory), text):
                logger.warning("{}", warning)
            try:
                on_locked()
                now = options.clock.now()
                reading = recovery.read_store(repository, directory, options.settings, planned, factory, now)
                text = f"the start waits for the store in {directory}, which has not been read yet"
                recovered = await report_if_slow(reading, text)
                runtime = cls(options, factory, repository, recovered, membership)
            except BaseException:
                await repository.close()
                raise
            try:
                await runtime._start(recovered)
            except BaseException:
                await runtime._abandon()
                raise
            return runtime

    async def _start(self, recovered: recovery.Recovered) -> None:
        """Hand the engine what was recovered, then the result of each attempt, and only then let it decide."""
        self.engine_loop.submit(recovered.restored)
        elsewhere = await recovery.find_attempts(recovered.restored, self.executions, self.settings.node)
        turning = asyncio.create_task(self.engine_loop.run())
        # A loop that has failed can't stop the scheduler any more: waiting for the end must not last for ever.
        turning.add_done_callback(lambda _: self.stopped.set())
        self._tasks = (turning,)
        await self._wait_started(turning)
        if self.membership is not None:
            parts = self.engine, self.engine_loop, self._repository, self.factory.executor, self._environment
            self.membership.lead(*parts, self.executions, elsewhere)
        if recovered.restored.is_reverted:
            recovery.forget_restore(self.directory)
        await recovery.discard_replaced_jobs(self._repository, recovered.replaced_jobs)
        kept = {*self._damaged_jobs, *recovered.unusable_jobs}
        former = {one.job.id: self.engine.ids_of(one.job.id)[1:] for one in self.engine.jobs() if one.state.former_ids}
        await self.inputs.start(recovered.planned, kept, former)
        self.executions.preparations.start(one.plan.job for one in recovered.planned)
        self._tasks = (turning, self._bounds.start())
        warm_up = partial(warm_up_executors, self.engine, self.clock, self.executions.executors)
        self.engine_loop.on_clock_check.append(warm_up)
        warm_up()

    async def _wait_started(self, turning: "asyncio.Task[None]") -> None:
        """Return after the first turn. Raises the error with which the loop ended before that."""
        started = asyncio.ensure_future(self.engine_loop.started.wait())
        await asyncio.wait({turning, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            turning.result()

    async def _abandon(self) -> None:
        """Close the parts of a start that failed or was cancelled; what has been started is left to the next one."""
        tasks, self._tasks = self._tasks, ()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=FAILED_STORE_CLOSE_SECONDS)
        self.engine_loop.close()
        await self.inputs.close(lambda limit: limit)
        await self.executions.close()
        await self._repository.close(FAILED_STORE_CLOSE_SECONDS)

    # Stopping

    async def stop(self, grace: timedelta | None = None, *, leave_running: bool = False) -> None:
        """Start to stop; a second call may shorten the grace. `stopped` is set once nothing is active any more."""
        granted = self.shutdown_grace if grace is None else grace
        if self._deadline.start(granted.total_seconds()):
            self._leaves_running |= leave_running
            text = describe_stop(self.awaited_jobs(), self.kept_jobs(), granted.total_seconds(), self.stop_hint)
            logger.info("{}", text)
        if self.store_problem:
            self.engine_loop.submit(Stop(granted, leave_running))
            return
        with contextlib.suppress(SchedulerClosed, StoreError):
            await self.engine_loop.request(lambda ask: Stop(granted, leave_running, ask))

    async def close(self, grace: timedelta | None = None, *, leave_running: bool = False) -> None:
        """Stop, then close every part: inputs first, the store last. Raises StoreError if state was not written."""
        if not self._tasks:
            return
        stopping = asyncio.ensure_future(self.stop(grace, leave_running=leave_running))
        await self.stopped.wait()
        # It is still waiting for an answer if the store hangs.
        stopping.cancel()
        self._deadline.cancel()
        (turning, *others), self._tasks = self._tasks, ()
        for task in others:
            task.cancel()
        await self.inputs.close(self._deadline.time_to_close)
        await self._notifications.close(self._deadline.time_to_close(LAST_NOTICES_SECONDS))
        # So that what has been delivered is not delivered again by the next daemon.
        await self.engine_loop.drain(self._deadline.time_to_close(FAILED_STORE_CLOSE_SECONDS))
        await self._end_loop(turning)
        await self._bounds.finish(self._deadline.time_to_close(CLOSE_SECONDS))
        await self.executions.close(self._deadline.time_to_close)
        if self.membership is not None:
            await self.membership.close()
        self.events.close()
        self._decision_log.close()
        failure = self._deadline.failure
        limit = FAILED_STORE_CLOSE_SECONDS if failure and failure.is_state_lost else CLOSE_TIMEOUT_SECONDS
        await self._repository.close(self._deadline.time_to_close(limit))
        if failure is not None:
            if failure.is_state_lost:
                raise StoreError(failure.text)
            logger.error("{}", failure.text)
        if not turning.cancelled():
            turning.result()

    async def _end_loop(self, turning: "asyncio.Task[None]") -> None:
        """Let the engine loop finish its turn, unless its store doesn't answer."""
        self.engine_loop.close()
        if self._deadline.failure is not None and self._deadline.failure.is_state_lost:
            turning.cancel()
        await asyncio.wait({turning}, timeout=self._deadline.time_to_close(CLOSE_TIMEOUT_SECONDS))
        if not turning.done():
            self._deadline.fail(self.engine_loop.pending_commit() or "the last turn did not end")
            turning.cancel()
            await asyncio.wait({turning}, timeout=self._deadline.time_to_close(FAILED_STORE_CLOSE_SECONDS))

    def _open_runs(self, job: str) -> frozenset[str]:
        return frozenset(entry.run.id for entry in self.engine.runs(JobId(job)))

    def awaited_jobs(self) -> list[str]:
        """Return the jobs with active runs that a stop waits for."""
        return [run.job for run in self._active_runs() if not self._is_kept(run)]

    def kept_jobs(self) -> list[str]:
        """Return the jobs whose active runs go on when this scheduler has stopped."""
        return [run.job for run in self._active_runs() if self._is_kept(run)]

    def _active_runs(self) -> list[Run]:
        return [entry.run for entry in self.engine.runs() if entry.run.state.active]

    def _is_kept(self, run: Run) -> bool:
        return self._leaves_running and run.handle is not None

    @property
    def is_open(self) -> bool:
        return bool(self._tasks)

    # Requests

    async def request(self, event_for: Callable[[Ask], EngineInput]) -> Mapping[str, Any]:
        """Hand the engine an event and return its durable answer. Raises the error that the engine answers with."""
        if not self.is_open:
            raise SchedulerClosed("the scheduler isn't open; use it as 'async with Scheduler() as scheduler:'")
        return await self.engine_loop.request(event_for)

    async def reconfigure(
        self, jobs: Iterable[Job], settings: Settings, timezone: str, notifiers: Mapping[str, PluginRef]
    ) -> Mapping[str, Sequence[str]]:
        """Apply a configuration that was read again, all or nothing.

        Returns the ids of the jobs that were added, changed and removed. Raises InvalidJob, DuplicateJob, PluginError.
        """
        factory = PluginFactory(self.factory.source, timezone, self.quarantine)
        settings = evolve(settings, node=self.settings.node)

        def make_plugins() -> tuple[list[Planned], dict[str, Notifier]]:
            made = {name: factory.notifier(ref) for name, ref in notifiers.items()}
            return [factory.plan(job, JobOrigin.CONFIG) for job in jobs], made

        try:
            planned, made = await call_within(MAX_CREATION_SECONDS, "reload", make_plugins)
        except TimeoutError:
            raise PluginError(
                f"creating its plugins took longer than {MAX_CREATION_SECONDS:g} s; check the files that they read"
            ) from None
        plans = tuple(one.plan for one in planned)
        # Before the engine evaluates the new schedules, whose failures are to stay on record.
        self.inputs.reset_quarantine()
        answer = await self.request(lambda ask: Reconfigure(settings, plans, ask))
        self.factory, self.settings, self._notifications.notifiers = factory, settings, made
        for one in planned:
            self.inputs.set_job(one)
        self.executions.preparations.start(one.plan.job for one in planned)
        for removed in answer["removed"]:
            self.inputs.remove_job(removed)
            self.executions.preparations.forget(removed)
        return answer

    # Reading

    def now(self) -> datetime:
        """Return the time of the scheduler's clock, in UTC."""
        return self.clock.now().wall

    @property
    def store_problem(self) -> str | None:
        """Why state can't be written at present; None when it can."""
        return self.engine_loop.trouble

    @property
    def job_problems(self) -> list[str]:
        """Messages on jobs that damage has paused, until each is resumed, and that can't be used, or prepared."""
        paused = {entry.job.id for entry in self.engine.jobs() if entry.state.paused} if self._damaged_jobs else ()
        damaged = [message for job, message in self._damaged_jobs.items() if job in paused]
        unusable = [problem for entry in self.engine.jobs() if (problem := entry.plan.problem) is not None]
        unusable_jobs = [f"{problem}; it starts nothing" for problem in unusable]
        away = [] if self.membership is None else self.membership.problems()
        return [*damaged, *unusable_jobs, *away, *self._repository.problems, *self.executions.preparations.problems()]

    async def runs(self, query: LogQuery) -> list[Run]:
        """Return the runs that match a query, open ones included, newest first."""
        # Listed before the store is read: a run that ends meanwhile is on its way there when the engine lets it go.
        return await self._repository.runs(query, [entry.run for entry in self.engine.runs()], self.engine.ids_of)

    async def decisions(self, query: LogQuery) -> list[Decision]:
        """Return decisions that led to no run, newest first."""
        return await self._repository.decisions(query, self.engine.ids_of)

    async def read_store(self, read: Callable[[StoreReader], T]) -> T:
        """Return what `read` reads from the store, beside its commits."""
        return await self._repository.read(read)

    async def prune(self, keep: timedelta | None) -> int:
        """Remove history beyond its bounds, and what is older than `keep`; return the number of removed records."""
        return await self._bounds.apply(for_orphans=True, retention=shorten(self.retention, keep))

    async def read_store_condition(self) -> tuple[datetime | None, bool]:
        """Return when the newest verified copy of the store was made, and whether it is still being checked."""
        return await self._repository.newest_copy_at(), self._repository.is_checking

    async def dump_store(self) -> Any:
        """Return everything that is durable now, as changes that make an equal store."""
        return await self._repository.dump()

    def waiting_for(self, run: RunId, time: TimeFormat) -> str | None:
        """Return why an open run isn't active, as a sentence with instants as `time` shows them; None if it is."""
        reason = self.engine.waiting_for(run)
        return None if reason is None else reason.describe(time)

    @property
    def notifiers(self) -> Mapping[str, Notifier]:
        """The configured notifiers by name."""
        return self._notifications.notifiers

    @property
    def zone(self) -> ZoneInfo:
        """The configured time zone."""
        return zone(self.factory.timezone)

    def time_format(self, *, local: bool) -> TimeFormat:
        """Return how sentences have instants: as people read them now, or with the offset of the configured zone."""
        return time_format(self.zone, self.now(), local=local)

    async def _rewrite(self) -> None:
        """Make everything durable that is in memory, because the store went back to an older state in use."""
        held = list(self.engine.snapshot())
        await recovery.write_again(self._repository, self.directory, held, self._damaged_jobs, self.now())
        logger.warning("the store was repaired, and what the daemon holds in memory was written to it again")

    def _handle_recorded_event(self, event: Event) -> None:
        self._bounds.note_event(event.name)
        announce_event(self.events, event)

    def _perform(self, step: Step) -> None:
        """Carry out the effects of a step whose changes are durable."""
        for effect in step.effects:
            call_or_log("carried out", self._perform_effect, effect)

    def _publish(self, step: Step) -> None:
        """Tell what a step has done."""
        call_or_log("published", announce, step, self.events, self._decision_log)
        call_or_log("passed on", self._pass_on, step)

    def _pass_on(self, step: Step) -> None:
        """Tell the parts that don't carry out effects what a step has changed."""
        ends = [change.value for change in step.changes if type(change) is Record and type(change.value) is Run]
        self.inputs.perform(step.effects, ends)
        self._bounds.note(step.changes)
        self.executions.preparations.note_ends(ends)
        self.ended_while_stopping += ends if self.engine.is_stopping else ()

    def _perform_effect(self, effect: Effect) -> None:
        match effect:
            case Start(run, job):
                self.executions.start(run, job)
            case Cancel(run_id, attempt, grace):
                if self.membership is None or not self.membership.cancel(run_id, attempt, grace):
                    self.executions.cancel(run_id, attempt, grace)
            case Deliver(notices):
                self._notifications.deliver(notices)
            case EngineStopped():
                self.stopped.set()
