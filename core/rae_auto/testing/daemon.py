"""Whole configurations in tests: played in virtual time, or run by a scheduler whose store is in memory."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from attrs import field, frozen

from rae_auto.api.plugin import Kind, Plugin
from rae_auto.config.loading import Config, load
from rae_auto.engine.plan import JobOrigin
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.registry.loading import CONTRACTS
from rae_auto.runtime.scheduler import Scheduler
from rae_auto.simulation.forecast import Forecast, Scenario, simulate
from rae_auto.testing.memory_store import MemoryStore

PLAY_START = datetime(2026, 1, 31, tzinfo=UTC)
"""The instant at which a test plays from, if it gives none."""


@frozen
class PlayedStart:
    """A start in a played configuration: when it was due, when it began, and why."""

    job: str
    due: datetime
    started: datetime | None
    reason: str


@frozen
class PlayedConfig:
    """Starts and skips of a configuration that was played."""

    starts: tuple[PlayedStart, ...]
    skips: tuple[str, ...]
    forecast: Forecast = field(repr=False)

    def of(self, job: str) -> list[datetime]:
        """Return the instants at which a job was due and started."""
        return [start.due for start in self.starts if start.job == job]


class TestPlugins:
    """The installed plugins, and classes of a test that need no entry point."""

    __test__ = False

    def __init__(self, classes: Sequence[type[Plugin]] = ()) -> None:
        self._registry = Registry()
        self._classes = {
            (kind, cls.type): cls for cls in classes for kind, bases in CONTRACTS.items() if issubclass(cls, bases)
        }

    def names(self, kind: Kind) -> Collection[str]:
        """Return the names of a kind."""
        return {*self._registry.names(kind), *(name for of, name in self._classes if of is kind)}

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        """Return a class. Raises PluginNotFound, PluginBroken, PluginUnavailable."""
        return self._classes.get((kind, name)) or self._registry.get(kind, name)


def read_config(text: str, folder: Path, plugins: TestPlugins) -> Config:
    """Return a configuration from its text. Raises ConfigError with all problems."""
    file = folder / "rae.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return load(file, plugins)


def play(
    text: str,
    folder: Path,
    *,
    days: float = 1,
    start: datetime = PLAY_START,
    plugins: Sequence[type[Plugin]] = (),
) -> PlayedConfig:
    """Play a configuration in virtual time, with the engine that runs it, and return what ran and why.

    `plugins` are classes of the test, beside those that are installed. Raises ConfigError with all problems, and
    AssertionError if a plugin fails, because the rest would be incomplete.
    """
    source = TestPlugins(plugins)
    config = read_config(text, folder, source)
    factory = PluginFactory(source, config.timezone)
    planned = [factory.plan(job, JobOrigin.CONFIG) for job in config.jobs]
    forecast = simulate(
        Scenario(
            plans=tuple(one.plan for one in planned),
            settings=config.settings,
            start=start,
            end=start + timedelta(days=days),
            sources={(one.plan.job.id, trigger): made for one in planned for trigger, made in one.sources.items()},
            guards=tuple((one.plan.job.id, guard) for one in planned for guard in one.plan.readers),
        )
    )
    problems = [*factory.quarantine.problems()]
    assert not problems, "\n".join(problems)
    starts = tuple(
        PlayedStart(
            str(found.run.job),
            found.run.scheduled_for or found.run.queued_at,
            found.run.started_at,
            str(found.run.cause),
        )
        for found in forecast.runs
    )
    return PlayedConfig(starts, tuple(str(skip) for skip in forecast.skips), forecast)


class MemoryDaemon:
    """A scheduler of a configuration in this process, with a store in memory: `async with MemoryDaemon(text, folder)`.

    It runs on the clocks of the machine; to move time, use `play`.
    """

    def __init__(self, text: str, folder: Path, plugins: Sequence[type[Plugin]] = ()) -> None:
        """Read the configuration. Raises ConfigError."""
        source = TestPlugins(plugins)
        config = read_config(text, folder, source)
        self.scheduler = Scheduler(
            directory=folder / "state",
            store=MemoryStore(),
            timezone=config.timezone,
            max_parallel=config.settings.max_parallel,
            resources=config.settings.resources,
            jobs=config.jobs,
            notifiers=config.notifiers,
            plugins=source,
            shutdown_grace=timedelta(seconds=1),
        )

    async def __aenter__(self) -> Scheduler:
        await self.scheduler.__aenter__()
        return self.scheduler

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.scheduler.__aexit__(kind, error, trace)
