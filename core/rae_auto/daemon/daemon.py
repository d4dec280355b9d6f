"""The daemon process: configuration, scheduler, log, control server and signals, until it is stopped."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from loguru import logger

from rae_auto.api.plugin import Kind
from rae_auto.api.shared_store import Standby
from rae_auto.config import Config
from rae_auto.control.transports.choice import control_transport
from rae_auto.daemon.answers.early_commands import EarlyCommands
from rae_auto.daemon.commands import Commands
from rae_auto.daemon.config_process import ConfigReading
from rae_auto.daemon.control_server import ControlServer
from rae_auto.daemon.controlling_terminal import ControllingTerminal
from rae_auto.daemon.exit_deadline import ExitDeadline, leave_hung_threads
from rae_auto.daemon.inheritance import describe_inheritance, raise_other_daemon
from rae_auto.daemon.presence import note_while_running
from rae_auto.daemon.process_start import forget_generated_sources, report_slow_reading, start_again, tune_memory
from rae_auto.daemon.reloading.reloader import Reloader
from rae_auto.daemon.stall_detector import StallDetector
from rae_auto.daemon.start_report import describe_plan, log_ready, log_start
from rae_auto.daemon.systemd_notify import SystemdNotify
from rae_auto.errors import ClaimLost, SchedulerClosed, StoreError, StoreLocked
from rae_auto.model.primitives.zones import zone
from rae_auto.paths import last_config, state_directory
from rae_auto.platforms.process_signals import is_reload_signal
from rae_auto.records.state_directory import claim_state_directory, note_daemon
from rae_auto.registry import Registry, State
from rae_auto.registry.containment import ask, take_interrupts
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks, run_until_complete
from rae_auto.runtime.concurrency.children import watch_children_by_pidfd
from rae_auto.runtime.concurrency.owned_threads import OwnedThreads
from rae_auto.runtime.reporting import log_setup
from rae_auto.runtime.scheduler import Scheduler
from rae_auto.runtime.time.machine_waker import MachineWaker
from rae_auto.toolkit.threads.malloc_arenas import share_one_arena


def run(config_path: Path, *, paused: bool) -> int:
    """Run the daemon of a configuration until SIGTERM, SIGINT or `rae-auto stop`, and return the exit code.

    Errors: ConfigError, StoreLocked, StoreError, PluginError; nothing has been started then.
    """
    environment = dict(os.environ)
    share_one_arena()
    forget_generated_sources()
    take_interrupts()
    registry = Registry()
    reading = ConfigReading.start(config_path, registry)
    with report_slow_reading(config_path):
        config = reading.finish()
    directory = claim_state_directory(state_directory(config_path))
    plugins = PluginFactory(registry, config.timezone)
    stall_detector = StallDetector(registry.owner_of)
    in_background = sys.stderr is None or not sys.stderr.isatty()
    loggers = [plugins.logger(ref) for ref in (config.background_loggers if in_background else config.loggers)]
    log_setup.attach(loggers, directory, zone(config.timezone), partial(plugins.distribution, Kind.LOGGER))
    daemon = Daemon(config_path, config, registry, directory, paused, stall_detector)
    daemon.log_file = next(filter(None, (ask(logger.log_file, None, directory) for logger in loggers)), None)
    daemon.log_places = [place for logger in loggers if (place := ask(logger.place, None)) is not None]
    lost: ClaimLost | None = None
    try:
        loop = stall_detector.new_loop()
        loop.set_default_executor(OwnedThreads())
        run_until_complete(daemon.run(), loop)
    except ClaimLost as error:
        lost = None if daemon.is_stop_requested else error
        logger.error("{}; {}", error, "it starts again, and stands by" if lost else "it stops, as it was asked to")
    finally:
        stall_detector.close()
        log_setup.detach()
        daemon.close()
    if lost is not None:
        start_again(environment, lost)
    leave_hung_threads(0)
    return 0


NO_GRACE = timedelta(0)


class Daemon:
    """A scheduler with its control server, and the reloads of its configuration."""

    def __init__(
        self,
        path: Path,
        config: Config,
        registry: Registry,
        directory: Path,
        paused: bool,
        stall_detector: StallDetector,
    ) -> None:
        """Create a daemon for a configuration that was read."""
        self._path = path.absolute()
        # First, so that neither jobs nor plugins see its variables.
        self._systemd = SystemdNotify(os.environ)
        self._terminal = ControllingTerminal()
        self.log_file: Path | None = None
        self.log_places: Sequence[str] = ()
        self._stall_detector = stall_detector
        self._registry = registry
        self._paused = paused
        self._shutdown_grace = config.shutdown_grace
        self._deadline: ExitDeadline | None = None
        self._opening: asyncio.Future[None] | None = None
        self.is_stop_requested = self._is_signalled = False
        self._socket_problem: str | None = None
        self._tasks = BackgroundTasks("a request")
        self._previous_config: Path | None = None
        self._started_at = datetime.now(UTC)
        self._scheduler = Scheduler(
            directory=directory,
            store=config.store,
            timezone=config.timezone,
            max_parallel=config.max_parallel,
            max_queue=config.max_queue,
            resources=config.resources,
            secret_commands=config.secret_commands,
            enabled=config.enabled and not paused,
            shutdown_grace=config.shutdown_grace,
            retention=config.history,
            jobs=config.jobs,
            notifiers=config.notifiers,
            plugins=registry,
            environment={**os.environ, "RAE_CONFIG": str(path.absolute())},
        )
        self._early = EarlyCommands(
            self._scheduler.directory,
            self._path,
            self._stop,
            timezone=zone(config.timezone).key,
            max_parallel=config.max_parallel,
        )
        self._reloader = Reloader(
            self._path,
            config,
            registry,
            self._scheduler,
            paused=paused,
            reporting=self._report_reload,
            on_applied=self._apply_grace,
        )

    async def run(self) -> None:
        """Open the scheduler, serve until it stops, and close it."""
        watch_children_by_pidfd()
        loop = asyncio.get_running_loop()

        def report_signal(number: int) -> None:
            loop.call_soon_threadsafe(self._handle_signal, number)

        self._deadline = ExitDeadline(report_signal, self._shutdown_grace.total_seconds())
        control = ControlServer({}, self._early.table())
        try:
            if await self._open(control):
                await self._run_opened(control)
        finally:
            # Last, because a client that waits for the end may start another daemon at once.
            await control.close()
        logger.info("stopped")

    def close(self) -> None:
        """Restore the handlers of signals. Call it when the event loop has ended, whose end may hang too."""
        if self._deadline is not None:
            self._deadline.close()

    async def _open(self, control: ControlServer) -> bool:
        """Open the scheduler; return whether it is open, or was to stop before that. Raises as `Scheduler.open`."""

        path = control_transport().path(self._scheduler.directory)

        is_bound = False

        def bind() -> None:
            nonlocal is_bound
            control.refusal = None
            self._early.take_over()
            if is_bound:
                return
            # Before anything is started: a start that is refused must have no effect.
            control.bind(path)
            log_start(self._path, self._scheduler.directory, self.log_places)
            self._note_config()
            self._tasks.start(control.start(path))
            is_bound = True

        def stand_by(why: Standby) -> None:
            if not is_bound and self._systemd.ping_seconds is not None:
                self._tasks.start(self._ping_while_opening(self._systemd.ping_seconds))
            if not is_bound:
                bind()
                tune_memory()
            control.refusal = self._early.stand_by(why)
            self._systemd.report_ready(control.refusal)

        self._opening = asyncio.ensure_future(self._scheduler.open(bind, stand_by))
        try:
            await self._opening
        except BaseException as error:
            control.retire()
            if isinstance(error, asyncio.CancelledError) and self.is_stop_requested:
                return False
            if isinstance(error, StoreLocked):
                raise_other_daemon(error, self._scheduler.directory, self._path)
            raise
        finally:
            self._opening = None
        if self.is_stop_requested:
            # A cancellation that came too late, or was ignored.
            await self._scheduler.stop()
        return True

    async def _ping_while_opening(self, seconds: float) -> None:
        while self._opening is not None:
            self._systemd.ping()
            await asyncio.sleep(seconds)

    def _note_config(self) -> None:
        """Record the configuration that owns the state from now on, and remember the one before."""
        self._started_at = datetime.now(UTC)
        self._previous_config = last_config(self._scheduler.directory)
        try:
            note_daemon(self._scheduler.directory, self._path, self.log_file, self.log_places)
        except OSError as error:
            logger.warning("the state directory doesn't say which configuration it belongs to: {}", error)

    async def _report_inheritance(self) -> None:
        """Log what is inherited from the state of another configuration."""
        text = await describe_inheritance(self._scheduler.runtime, self._previous_config, self._path, self._started_at)
        if text is not None:
            logger.warning("{}", text)

    async def _run_opened(self, control: ControlServer) -> None:
        tune_memory()
        commands = Commands(
            self._scheduler,
            self._path,
            self._reloader.reload,
            self._stop,
            self._problems,
            is_paused=self._paused,
            turns=self._stall_detector.turns,
            edited=self._reloader.edited,
            problem_times=self._problem_times,
        )
        control.complete(commands.table())
        try:
            await self._serve(control)
        finally:
            control.retire()
            await self._scheduler.close()

    async def _serve(self, control: ControlServer) -> None:
        self._scheduler.runtime.events.forward(control.publish, lambda: control.has_listeners)
        engine_loop = self._scheduler.runtime.engine_loop
        waker = MachineWaker(self._scheduler.runtime.engine.machine_wake_at)
        engine_loop.on_clock_check.append(lambda: self._look_around(control, waker))
        self._reloader.start_watching()
        await self._report_inheritance()
        for lost in (info for info in self._registry.infos() if info.state is State.BROKEN):
            logger.error("{}", lost.problem)
        log_ready(self._path, self._describe_plan(), is_enabled=self._scheduler.runtime.settings.enabled)
        self._reloader.warn_soon()
        if self._systemd.ping_seconds is not None:
            engine_loop.call_at_progress(self._systemd.ping, self._systemd.ping_seconds)
        self._systemd.report_ready(self._describe_plan())
        try:
            by_signal = lambda: "signal" if self._is_signalled else "command"  # noqa: E731
            async with note_while_running(self._scheduler.directory, find_end=by_signal):
                await self._scheduler.wait_stopped()
        finally:
            self._reloader.stop_watching()
            await waker.close()

    def _describe_plan(self) -> str:
        """Return a line with the number of jobs and the next starts."""
        engine = self._scheduler.runtime.engine
        jobs = [(engine.next_at(entry.job.id), entry.job.id) for entry in engine.jobs()]
        due = [(at, job) for at, job in jobs if at is not None]
        zone = self._scheduler.runtime.zone
        return describe_plan(len(jobs), due, zone, is_enabled=self._scheduler.runtime.settings.enabled)

    def _look_around(self, control: ControlServer, waker: MachineWaker) -> None:
        if not control.is_bound:
            self._tasks.start(self._restore_socket(control))
        if waker.is_outdated:
            self._tasks.start(waker.update())

    async def _restore_socket(self, control: ControlServer) -> None:
        try:
            await control.restore()
        except (StoreError, OSError) as error:
            if self._socket_problem is None:
                logger.error("the control socket has been removed and can't be created again: {}", error)
            self._socket_problem = str(error)
        else:
            logger.warning("the control socket had been removed and has been created again")
            self._socket_problem = None

    # Stopping

    def _handle_signal(self, number: int) -> None:
        if is_reload_signal(number) and not self._terminal.is_closed():
            if self._opening is None:
                self._reloader.reload_soon()
            return
        # A second signal ends the grace period.
        grace = NO_GRACE if self._is_signalled else None
        self._is_signalled = True
        if number == signal.SIGINT and self._opening is None:
            self._scheduler.runtime.stop_hint = "press Ctrl-C again to end it now"
        self._tasks.start(self._stop(grace, leave_running=False))

    async def _stop(self, grace: timedelta | None, *, leave_running: bool) -> None:
        """Stop the scheduler, or its start if it isn't open yet."""
        self.is_stop_requested = True
        seconds = (self._shutdown_grace if grace is None else grace).total_seconds()
        self._systemd.report_stopping(seconds)
        if self._deadline is not None:
            self._deadline.set(seconds)
        if self._opening is not None and self._opening.cancel():
            logger.info("stopping before the start is complete")
            return
        with contextlib.suppress(SchedulerClosed):  # it is closing, because it has lost its claim
            await self._scheduler.stop(grace, leave_running=leave_running)

    @contextlib.contextmanager
    def _report_reload(self) -> Iterator[None]:
        self._systemd.report_reloading()
        try:
            yield
        finally:
            if not self.is_stop_requested:
                self._systemd.report_ready(self._describe_plan())

    def _apply_grace(self, config: Config) -> None:
        """Use the `shutdown_grace` of a configuration that was reloaded."""
        self._shutdown_grace = config.shutdown_grace
        if self._deadline is not None:
            self._deadline.grace_seconds = config.shutdown_grace.total_seconds()

    def _problem_times(self) -> Mapping[str, datetime]:
        """Return when problems came up, those of which that is known."""
        stalls = {stall.text(): at for stall, at in self._stall_detector.newest_at.items()}
        runtime = self._scheduler.runtime
        now, ages = runtime.now(), runtime.quarantine.problem_ages()
        plugins = {problem: now - timedelta(seconds=age) for problem, age in ages.items()}
        return {**self._reloader.problem_times(), **plugins, **stalls}

    def _problems(self) -> list[str]:
        """Return what is wrong with the daemon itself, the severe ones first: what doesn't work before what is slow."""
        stalls = dict.fromkeys(stall.text() for stall in self._stall_detector.stalls if stall.plugin)
        plugins = self._scheduler.runtime.quarantine.problems()
        return [*self._reloader.problems(), *plugins, *log_setup.problems(), *self._registry.outdated(), *stalls]
