"""When a cron expression or a configured job is due, without a daemon."""

import heapq
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.config import load
from rae_auto.errors import BadRequest, JobNotFound, PluginError
from rae_auto.model.plugin_ref import Cron, TriggerRef
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.zones import local_zone_name, zone
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory


def upcoming(what: str, timezone: str | None, after: datetime, config_path: Path | None) -> Iterator[datetime]:
    """The instants after `after`, ascending, each with the offset its zone has then.

    `what` is a cron expression, or a job of the configuration at `config_path`. Errors: BadRequest for a bad
    expression, ValueError for a bad zone, ConfigError, JobNotFound.
    """
    registry = Registry()
    config = None if config_path is None else load(config_path, registry)
    name = timezone or (config.timezone if config else local_zone_name())
    where = zone(name)
    plugins = PluginFactory(registry, where.key)
    if config is None:
        refs: tuple[TriggerRef, ...] = (Cron(what),)
    else:
        job = next((job for job in config.jobs if job.id == what), None)
        if job is None:
            near = did_you_mean(what, [job.id for job in config.jobs])
            raise JobNotFound(f"no job {what!r} in {config_path}{near}; a cron expression has five fields")
        refs = job.schedule
    try:
        triggers = [plugins.trigger(ref) for ref in refs]
    except PluginError as error:
        raise BadRequest(str(error)) from error
    schedules = [_instants(trigger, after) for trigger in triggers if isinstance(trigger, ScheduleTrigger)]
    return (instant.astimezone(where) for instant in _without_repetition(heapq.merge(*schedules)))


def _instants(trigger: ScheduleTrigger, after: datetime) -> Iterator[datetime]:
    instant = trigger.next_after(after)
    while instant is not None:
        yield instant
        instant = trigger.next_after(instant)


def _without_repetition(instants: Iterator[datetime]) -> Iterator[datetime]:
    last = None
    for instant in instants:
        if instant != last:
            yield instant
        last = instant
