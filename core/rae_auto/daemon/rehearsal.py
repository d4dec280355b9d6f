"""A configuration as it can be simulated: plans, settings, and what of it nobody can foresee."""

from pathlib import Path

from attrs import frozen

from rae_auto.config import Config, load
from rae_auto.daemon.plugins import Plugins
from rae_auto.engine.events import Origin, Plan, Settings
from rae_auto.model.names import JobId
from rae_auto.registry import Registry


@frozen
class Rehearsal:
    """`sources` are the triggers that watch the world, as job and trigger: when they fire can't be computed."""

    config: Config
    plans: tuple[Plan, ...]
    settings: Settings
    sources: tuple[tuple[JobId, str], ...]


def rehearsal(config_path: Path) -> Rehearsal:
    """What a configuration file comes to. Errors: ConfigError, InvalidJob."""
    registry = Registry()
    config = load(config_path, registry)
    plugins = Plugins(registry, config.timezone)
    planned = [plugins.plan(job, Origin.CONFIG) for job in config.jobs]
    return Rehearsal(
        config,
        tuple(one.plan for one in planned),
        Settings(config.max_parallel, config.enabled, config.resources, config.max_queue),
        tuple((one.plan.job.id, trigger) for one in planned for trigger in one.sources),
    )
