"""References by which configurations and jobs name plugins: type and options."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from rae_auto.model.primitives.names import check_name
from rae_auto.model.primitives.problems import describe_value, invalid


def _check_options(_: object, __: object, options: object) -> None:
    if type(options) is not dict and not isinstance(options, Mapping):
        raise invalid(f"must be a mapping, not {describe_value(options)}", "options")


def _plugin_type(value: object) -> str:
    return check_name("plugin type", value)


@frozen
class PluginRef:
    """A plugin by the name of its entry point, with its options, which are JSON values."""

    type: str = field(converter=_plugin_type)
    options: Mapping[str, Any] = field(factory=dict, validator=_check_options)


@frozen
class TriggerRef:
    """One trigger of a job. `id` is unique within the job and part of every occurrence."""

    type: str = field(converter=_plugin_type)
    options: Mapping[str, Any] = field(factory=dict, validator=_check_options)
    id: str = ""


@frozen
class GuardRef:
    """One guard of a job. `id` is unique within the job."""

    type: str = field(converter=_plugin_type)
    options: Mapping[str, Any] = field(factory=dict, validator=_check_options)
    id: str = ""


R = TypeVar("R", TriggerRef, GuardRef)
A = TypeVar("A", TriggerRef, GuardRef, PluginRef)


def to_ref(value: "A | str | Mapping[str, Any]", kind: type[A]) -> A:
    """Return a reference that is given as such, by its type, or as a table with its type among its options."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        return kind(value)
    if not isinstance(value, Mapping):
        raise ValueError(f'must be a {kind.__name__}, a name or a table with "type", not {describe_value(value)}')
    options = dict(value)
    if "type" not in options:
        raise ValueError(f'a table for a {kind.__name__} needs "type", the name of the plugin')
    name = options.pop("type")
    if issubclass(kind, PluginRef):
        return kind(name, options)
    return kind(name, id=options.pop("id", ""), options=options)


def with_ids(refs: Iterable[R]) -> tuple[R, ...]:
    """Return the references with ids: their own, or their type with a number if it occurs more than once."""
    given = tuple(refs)
    taken = {ref.id for ref in given if ref.id}
    named: list[R] = []
    for ref in given:
        if not ref.id:
            number, name = 1, ref.type
            while name in taken:
                number += 1
                name = f"{ref.type}-{number}"
            taken.add(name)
            ref = evolve(ref, id=name)
        named.append(ref)
    return tuple(named)


def Cron(expression: str, **options: Any) -> TriggerRef:  # noqa: N802 - reads as a value in a Job
    """Return a reference to a cron trigger; options: `timezone` (IANA name), `jitter` (duration)."""
    return TriggerRef("cron", {"expression": expression, **options})


@lru_cache(maxsize=256)
def share_cron(expression: str) -> tuple[TriggerRef, ...]:
    """Return the trigger of an expression alone, which jobs that are alike share: there may be ten thousand."""
    return with_ids((Cron(expression),))


def Interval(every: object, **options: Any) -> TriggerRef:  # noqa: N802
    """Return a reference to an interval trigger; `start` (instant) fixes the phase, as `from` does in TOML."""
    if "start" in options:
        options["from"] = options.pop("start")
    return TriggerRef("interval", {"every": every, **options})


def Once(at: object) -> TriggerRef:  # noqa: N802
    """Return a reference to a trigger that fires once, at an instant."""
    return TriggerRef("once", {"at": at})
