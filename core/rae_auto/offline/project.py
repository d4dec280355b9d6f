"""A configuration as it can be simulated: plans, settings, and what of it nobody can foresee."""

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from rae_auto.api.trigger import SourceTrigger
from rae_auto.config import Config, load
from rae_auto.engine.events import Origin, Plan, Settings
from rae_auto.model.primitives.names import JobId
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory


@frozen
class Project:
    """`sources` are the triggers that watch the world, by job and trigger; `guards` those that look at the machine."""

    config: Config
    plans: tuple[Plan, ...]
    settings: Settings
    sources: Mapping[tuple[JobId, str], SourceTrigger]
    guards: tuple[tuple[JobId, str], ...]


def load_project(config_path: Path) -> Project:
    """What a configuration file comes to. Errors: ConfigError, InvalidJob."""
    registry = Registry()
    config = load(config_path, registry)
    plugins = PluginFactory(registry, config.timezone)
    planned = [plugins.plan(job, Origin.CONFIG) for job in config.jobs]
    return Project(
        config,
        tuple(one.plan for one in planned),
        Settings(config.max_parallel, config.enabled, config.resources, config.max_queue),
        {(one.plan.job.id, trigger): source for one in planned for trigger, source in one.sources.items()},
        tuple((one.plan.job.id, guard) for one in planned for guard in one.plan.readers),
    )
