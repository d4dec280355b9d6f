"""How a configuration or a job names a plugin: its type and its options."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from rae_auto.model.names import check_name


def _plugin_type(value: object) -> str:
    return check_name("plugin type", value)


@frozen
class PluginRef:
    """A plugin by the name of its entry point, with the options for it; options hold JSON values only."""

    type: str = field(converter=_plugin_type)
    options: Mapping[str, Any] = field(factory=dict)


@frozen
class TriggerRef:
    """One trigger of a job. `id` tells it from the job's other triggers and is part of every occurrence."""

    type: str = field(converter=_plugin_type)
    options: Mapping[str, Any] = field(factory=dict)
    id: str = ""


def Cron(expression: str, **options: Any) -> TriggerRef:  # noqa: N802 - reads as a value in a Job
    """A cron trigger; options: `timezone` (IANA name), `jitter` (duration)."""
    return TriggerRef("cron", {"expression": expression, **options})


def Interval(every: object, **options: Any) -> TriggerRef:  # noqa: N802
    """An interval trigger; `every` is a duration; the option `start` (instant) fixes the phase, as `from` in TOML."""
    if "start" in options:
        options["from"] = options.pop("start")
    return TriggerRef("interval", {"every": every, **options})


def Once(at: object) -> TriggerRef:  # noqa: N802
    """A trigger that fires once, at an instant."""
    return TriggerRef("once", {"at": at})
