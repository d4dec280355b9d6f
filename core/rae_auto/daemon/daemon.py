"""The daemon process: configuration, scheduler, log, control socket and signals, until it is stopped."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from rae_auto._version import __version__
from rae_auto.config import Config, load
from rae_auto.daemon.commands import Commands
from rae_auto.daemon.control_server import ControlServer
from rae_auto.daemon.file_identity import FileIdentity, read_file_identity
from rae_auto.daemon.stall_detector import StallDetector
from rae_auto.engine.plan import Settings
from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import format_count
from rae_auto.paths import socket_path, state_directory
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks, run_until_complete
from rae_auto.runtime.concurrency.owned_threads import OwnedThreads
from rae_auto.runtime.reporting import log_setup
from rae_auto.runtime.scheduler import Scheduler
from rae_auto.toolkit.files import create_private_directory

if TYPE_CHECKING:
    from rae_auto.daemon.config_watch import ConfigWatcher


def run(config_path: Path, *, paused: bool) -> int:
    """Run the daemon of a configuration until SIGTERM, SIGINT or `rae-auto stop`, and return the exit code.

    Errors: ConfigError, StoreLocked, StoreError, PluginError; nothing has been started then.
    """
    registry = Registry()
    # Before the file is read, so that a change in between is detected.
    identity = read_file_identity(config_path)
    config = load(config_path, registry)
    directory = create_private_directory(state_directory())
    plugins = PluginFactory(registry, config.timezone)
    stall_detector = StallDetector(registry.owner_of)
    log_setup.attach([plugins.logger(ref) for ref in config.loggers], directory)
    try:
        loop = stall_detector.new_loop()
        loop.set_default_executor(OwnedThreads())
        run_until_complete(
            Daemon(config_path, config, registry, directory, paused, identity, stall_detector).run(), loop
        )
    finally:
        stall_detector.close()
        log_setup.detach()
    return 0


class Daemon:
    """A scheduler with its control server, and the reloads of its configuration."""

    def __init__(
        self,
        path: Path,
        config: Config,
        registry: Registry,
        directory: Path,
        paused: bool,
        identity: FileIdentity,
        stall_detector: StallDetector,
    ) -> None:
        """Create a daemon; `identity` is that of the file from which `config` was read."""
        self._path = path
        self._stall_detector = stall_detector
        self._registry = registry
        self._paused = paused
        self._config_problem: str | None = None
        self._identity = identity
        self._is_watch_enabled = config.watch_config
        self._watch: ConfigWatcher | None = None
        self._watch_problem: str | None = None
        self._reloading = asyncio.Lock()
        self._tasks = BackgroundTasks("a request")
        self._scheduler = Scheduler(
            directory=directory,
            store=config.store,
            timezone=config.timezone,
            max_parallel=config.max_parallel,
            max_queue=config.max_queue,
            resources=config.resources,
            enabled=config.enabled and not paused,
            shutdown_grace=config.shutdown_grace,
            retention=config.history,
            jobs=config.jobs,
            notifiers=config.notifiers,
            plugins=registry,
        )

    async def run(self) -> None:
        """Open the scheduler, serve until it stops, and close it."""
        _watch_children_by_pidfd()
        await self._scheduler.open()
        _tune_garbage_collection()
        control = ControlServer(Commands(self._scheduler, self._path, self.reload, self._problems).table())
        try:
            await self._serve(control)
        finally:
            control.retire()
            try:
                await self._scheduler.close()
            finally:
                # Last, because a client that waits for the end may start another daemon at once.
                await control.close()
        logger.info("stopped")

    async def _serve(self, control: ControlServer) -> None:
        forwarding = asyncio.create_task(self._forward(control))
        await control.start(socket_path(self._scheduler.directory))
        self._listen_to_signals()
        self._set_watch(self._is_watch_enabled)
        jobs = len(await self._scheduler.list_jobs())
        logger.info("rae-auto {} started with {} from {}", __version__, format_count(jobs, "job"), self._path)
        if not self._scheduler.runtime.settings.enabled:
            logger.warning("jobs start by hand only, with 'rae-auto trigger JOB'")
        try:
            await self._scheduler.wait_stopped()
        finally:
            self._set_watch(False)
            forwarding.cancel()

    async def _forward(self, control: ControlServer) -> None:
        async with contextlib.aclosing(self._scheduler.events()) as events:
            async for event in events:
                control.publish(event)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        grace: list[timedelta | None] = [None]

        def stop() -> None:
            logger.info("stopping" if grace[0] is None else "stopping immediately")
            self._tasks.start(self._scheduler.stop(grace[0]))
            # A second signal ends the grace period.
            grace[0] = timedelta(0)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.start(self._reload_quietly()))

    async def _reload_quietly(self) -> None:
        # The error has been logged by the reload.
        with contextlib.suppress(SchedulerError):
            await self.reload()

    async def reload(self) -> Mapping[str, Any]:
        """Read the configuration again and return the changes.

        Errors: SchedulerError; nothing has changed then, and the problem is part of the status.
        """
        async with self._reloading:
            self._identity = await asyncio.to_thread(read_file_identity, self._path)
            try:
                config = await asyncio.to_thread(load, self._path, self._registry)
                settings = Settings(
                    config.max_parallel, config.enabled and not self._paused, config.resources, config.max_queue
                )
                summary = await self._scheduler.runtime.reconfigure(
                    config.jobs, settings, config.timezone, config.notifiers
                )
            except SchedulerError as error:
                self._config_problem = f"the configuration was not reloaded: {error}"
                logger.error("{}", self._config_problem)
                raise
            self._config_problem = None
            self._scheduler.runtime.shutdown_grace = config.shutdown_grace
            self._scheduler.runtime.retention = config.history
            self._set_watch(config.watch_config)
            logger.info("reloaded: {}", ", ".join(f"{len(jobs)} {change}" for change, jobs in summary.items()))
            return summary

    def _problems(self) -> list[str]:
        problems = [problem for problem in (self._config_problem, self._watch_problem) if problem]
        stalls = dict.fromkeys(stall.text() for stall in self._stall_detector.stalls if stall.plugin)
        return [*problems, *self._scheduler.runtime.quarantine.problems(), *stalls]

    def _set_watch(self, enabled: bool) -> None:
        """Start or stop watching the configuration file. A failure becomes a problem in the status."""
        self._watch_problem = None
        if enabled == (self._watch is not None):
            return
        if self._watch is not None:
            self._watch.close()
            self._watch = None
            return
        try:
            from rae_auto.daemon.config_watch import ConfigWatcher  # lazy: start-up

            self._watch = ConfigWatcher(self._path, lambda: self._tasks.start(self._reload_if_changed()))
        except Exception as error:  # The watching library raises many kinds.
            self._watch_problem = f"the configuration is not watched ({error}); 'rae-auto reload' reads it again"
            logger.warning("{}", self._watch_problem)

    async def _reload_if_changed(self) -> None:
        if await asyncio.to_thread(read_file_identity, self._path) != self._identity:
            await self._reload_quietly()


def _tune_garbage_collection() -> None:
    """Exempt the loaded jobs from garbage collection, and collect less often: the jobs stay for good."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _watch_children_by_pidfd() -> None:
    """Make asyncio on Python 3.11 use pidfds instead of a thread for each child, as later versions do."""
    kind = getattr(asyncio, "PidfdChildWatcher", None)
    policy = asyncio.get_event_loop_policy()
    if kind is not None and hasattr(policy, "set_child_watcher"):
        with contextlib.suppress(OSError, NotImplementedError):
            watcher = kind()
            # A watcher that is set while the loop is running must be attached, or no child can be started.
            watcher.attach_loop(asyncio.get_running_loop())
            policy.set_child_watcher(watcher)
