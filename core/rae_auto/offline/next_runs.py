"""The next run times of a cron expression or a configured job."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.errors import BadRequest, PluginBroken, PluginError
from rae_auto.model.plugin_ref import Cron, TriggerRef
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.local_times import Direction, parse_local_time
from rae_auto.model.primitives.zones import local_zone_name, zone
from rae_auto.offline.project import Project
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.registry.quarantine import Quarantine
from rae_auto.registry.safe_schedule import SafeSchedule


def next_runs_of_expression(expression: str, timezone: str | None, start: str | None) -> Iterator[datetime]:
    """Yield the instants of a cron expression, ascending, each with the offset its zone has then.

    They come after `start`, a time as people write it, in the same zone; by default after now.

    Errors: BadRequest for an invalid expression, ValueError for an unknown time zone; PluginBroken while iterating.
    """
    plugins = PluginFactory(Registry(), zone(timezone or local_zone_name()).key)
    return _next_runs(plugins, (Cron(expression),), start)


def next_runs_of_job(
    config_path: Path, job: str, timezone: str | None, start: str | None, note: Callable[[str], None]
) -> Iterator[datetime]:
    """Yield the instants of all schedules of a job, as `next_runs_of_expression` does.

    A disabled job has none; `note` gets a line that says so.

    Errors: ConfigError, JobNotFound, ValueError for an unknown time zone; PluginBroken while iterating.
    """
    project = Project.load(config_path)
    plugins = PluginFactory(project.registry, zone(timezone or project.config.timezone).key)
    definition = project.find_job(job, "; a cron expression has five fields")
    if not (definition.enabled and project.config.enabled):
        subject = f"job {quote(job)}" if project.config.enabled else "the whole configuration"
        note(f"{subject} is disabled (enabled = false); 'rae-auto trigger {job}' starts it by hand")
        return iter(())
    return _next_runs(plugins, definition.schedule, start)


def _next_runs(plugins: PluginFactory, refs: Sequence[TriggerRef], start: str | None) -> Iterator[datetime]:
    try:
        triggers = [plugins.trigger(ref) for ref in refs]
    except PluginError as error:
        raise BadRequest(str(error)) from error
    after = _parse_start(start, zone(plugins.timezone))
    schedules = [
        _iterate(SafeSchedule(trigger, plugins.quarantine), plugins.quarantine, after)
        for trigger in triggers
        if isinstance(trigger, ScheduleTrigger)
    ]
    local_zone = zone(plugins.timezone)
    return (instant.astimezone(local_zone) for instant in _without_repeats(heapq.merge(*schedules)))


def _parse_start(start: str | None, local_zone: ZoneInfo) -> datetime:
    now = datetime.now(UTC)
    try:
        return now if start is None else parse_local_time(start, local_zone, now, Direction.FUTURE).instants[0]
    except ValueError as error:
        raise BadRequest(f"--from: {error}") from None


def _iterate(schedule: SafeSchedule, quarantine: Quarantine, after: datetime) -> Iterator[datetime]:
    instant = schedule.next_after(after)
    while instant is not None:
        yield instant
        instant = schedule.next_after(instant)
    if problems := quarantine.problems():
        raise PluginBroken(problems[0])


def _without_repeats(instants: Iterator[datetime]) -> Iterator[datetime]:
    last = None
    for instant in instants:
        if instant != last:
            yield instant
        last = instant
