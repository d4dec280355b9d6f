"""Reloads of the configuration: on request, and when its files change."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve
from loguru import logger

from rae_auto.checks.warning_log import WarningLog
from rae_auto.config import Config, load
from rae_auto.config.files.fragments import identify_files
from rae_auto.daemon.reloading.edited_config import EditedConfig
from rae_auto.daemon.start_report import find_keys_of_next_start
from rae_auto.errors import ConfigError, SchedulerError
from rae_auto.paths import state_directory
from rae_auto.records.presence_log import note_reload
from rae_auto.registry import Registry
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.concurrency.limited_calls import call_within
from rae_auto.runtime.recovery import describe_replaced_job
from rae_auto.runtime.scheduler import Scheduler
from rae_auto.toolkit.files import FileIdentity
from rae_auto.toolkit.secrets.programs import allow_programs
from rae_auto.toolkit.threads.malloc_arenas import give_back_memory

if TYPE_CHECKING:
    from rae_auto.daemon.reloading.config_watch import ConfigWatcher

MAX_READ_SECONDS = 20.0
"""Time that reading the configuration again may take; less than a client waits for the answer."""


class Reloader:
    """Reads the configuration of a daemon again, and applies all of it or nothing.

    `reporting` surrounds each reload, and `on_applied` gets the configuration that has come into force.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        registry: Registry,
        scheduler: Scheduler,
        *,
        paused: bool,
        reporting: Callable[[], AbstractContextManager[None]],
        on_applied: Callable[[Config], None],
    ) -> None:
        """Create it for a daemon that has started with `config`, with all starts held back if `paused`."""
        self._path = path
        self._started_config = config
        self._registry = registry
        self._scheduler = scheduler
        self._paused = paused
        self._reporting = reporting
        self._on_applied = on_applied
        self._files, self._include = config.files, config.include
        self._problem: str | None = None
        self._failed_at: datetime | None = None
        self._watch: ConfigWatcher | None = None
        self._watch_problem: str | None = None
        self._warnings = WarningLog(path, registry)
        self._turn = asyncio.Lock()
        self._tasks = BackgroundTasks("a reload")
        self.edited = EditedConfig(path, registry, lambda: (self._files, self._include))

    def start_watching(self) -> None:
        """Read the configuration again whenever its files change, if it says so."""
        self._set_watch(self._started_config.watch_config)

    def warn_soon(self) -> None:
        """Start to log the warnings of the configuration with which the daemon has started."""
        self._tasks.start(self._warnings.update(len(self._started_config.jobs)))

    def stop_watching(self) -> None:
        """Read nothing again by itself from now on."""
        self._set_watch(False)

    def problems(self) -> list[str]:
        """Return why the last reload failed, and why the files are not watched."""
        return [problem for problem in (self._problem, self._watch_problem) if problem]

    def problem_times(self) -> Mapping[str, datetime]:
        """Return when the last reload failed, by its problem."""
        return {} if self._problem is None or self._failed_at is None else {self._problem: self._failed_at}

    def reload_soon(self) -> None:
        """Start a reload, whose outcome is logged."""
        self._tasks.start(self._reload_quietly())

    async def reload(self) -> Mapping[str, Any]:
        """Read the configuration again and return the changes.

        Errors: SchedulerError; nothing has changed then, and the problem is part of the status.
        """
        async with self._turn:
            with self._reporting():
                return await self._reload()

    async def _reload(self) -> Mapping[str, Any]:
        # Lazy, for memory; first, because what is applied must not fail afterwards.
        from rae_auto.views.status import describe_reload

        before = self._registry.fork()
        runtime = self._scheduler.runtime
        try:
            config = await self._load()
            settings = evolve(config.settings, enabled=config.enabled and not self._paused)
            summary = await runtime.reconfigure(config.jobs, settings, config.timezone, config.notifiers)
        except SchedulerError as error:
            self._registry.adopt(before)
            self._problem = f"the configuration was not reloaded: {error}"
            self._failed_at = runtime.now()
            logger.error("{}", self._problem)
            raise
        self._problem = None
        allow_programs(config.secret_commands)
        runtime.shutdown_grace, runtime.retention = config.shutdown_grace, config.history
        self._on_applied(config)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(note_reload, self._scheduler.directory, runtime.now())
        self._set_watch(config.watch_config)
        # Those who show times, or anything else of the configuration, ask for it again.
        runtime.events.publish({"kind": "configuration", "change": "reloaded", "timezone": config.timezone})
        self._tasks.start(self._warnings.update(len(config.jobs)))
        for job in summary.get("replaced", ()):
            logger.bind(job=job).warning("{}", describe_replaced_job(job))
        has_moved = state_directory(self._path).resolve() != self._scheduler.directory
        later = find_keys_of_next_start(self._started_config, config, has_moved)
        answer = {**summary, "at_next_start": later, "needs_restart": self._registry.outdated()}
        logger.info("{}", describe_reload(answer))
        for line in answer["needs_restart"]:
            logger.warning("{}", line)
        del config
        give_back_memory()
        return answer

    async def _load(self) -> Config:
        """Return the configuration as it is now, and remember the identities of its files. Raises ConfigError."""
        registry = self._registry.fork()  # until what is read comes into force

        def read() -> tuple[Mapping[Path, FileIdentity], Config | ConfigError]:
            # First, so that a change in between is detected.
            files = identify_files(self._path, self._include)
            try:
                config = load(self._path, registry)
                return config.files, config
            except ConfigError as error:
                return files, error

        try:
            self._files, config = await call_within(MAX_READ_SECONDS, "reload", read)
        except TimeoutError:
            problem = f"reading and checking it took longer than {MAX_READ_SECONDS:g} s"
            hint = "check its file system, and those of the files that its plugins read"
            raise ConfigError([f"{self._path}: {problem}; {hint}"]) from None
        if isinstance(config, ConfigError):
            raise config
        self._registry.adopt(registry)
        self._include = config.include
        if self._watch is not None:
            self._watch.refresh()
        return config

    def _set_watch(self, enabled: bool) -> None:
        """Start or stop watching the files. A failure becomes a problem in the status."""
        self._watch_problem = None
        if enabled == (self._watch is not None):
            return
        if self._watch is not None:
            self._watch.close()
            self._watch = None
            return
        try:
            from rae_auto.daemon.reloading.config_watch import ConfigWatcher, list_watched  # lazy: start-up

            self._watch = ConfigWatcher(
                lambda: list_watched(self._path, self._files, self._include),
                lambda: self._tasks.start(self._reload_if_changed()),
            )
        except Exception as error:  # The watching library raises many kinds.
            self._watch_problem = f"the configuration is not watched ({error}); 'rae-auto reload' reads it again"
            logger.warning("{}", self._watch_problem)

    async def _reload_if_changed(self) -> None:
        # A file that can't be read in time is read again at the next change.
        with contextlib.suppress(TimeoutError):
            if await call_within(MAX_READ_SECONDS, "reload", identify_files, self._path, self._include) != self._files:
                await self._reload_quietly()

    async def _reload_quietly(self) -> None:
        with contextlib.suppress(SchedulerError):  # the reload has logged it
            await self.reload()
