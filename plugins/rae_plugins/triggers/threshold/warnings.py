"""Warnings of `rae-auto check` about a threshold on this machine; not errors, because machines change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.units import format_duration
from rae_auto.toolkit.programs import find_inherited_program_problem
from rae_plugins.triggers.threshold import readers
from rae_plugins.triggers.threshold.levels import Unit
from rae_plugins.triggers.threshold.metrics import MEASURES, Metric, SubjectKind
from rae_plugins.triggers.threshold.readers import Subject, Unavailable

_MAX_NAMES = 8
"""Maximum number of names in a message."""


def find_warnings(
    metric: Metric, of: str, command: Sequence[str] | None, cwd: str | None, duration: timedelta, every: timedelta
) -> tuple[str, ...]:
    """Return the warnings, one line each."""
    warnings = [_find_missing(metric, of, command, cwd)]
    if timedelta(0) < duration < every:
        warnings.append(f"for is shorter than every; it takes two readings, so at least {format_duration(every)}")
    return tuple(warning for warning in warnings if warning is not None)


def _find_missing(metric: Metric, of: str, command: Sequence[str] | None, cwd: str | None) -> str | None:
    if command is not None:
        return find_inherited_program_problem(command[0], cwd)
    if metric in (Metric.BATTERY, Metric.SWAP):
        return _unavailable_warning(metric)
    kind = MEASURES[metric].of
    if kind not in _LISTERS:
        return None
    try:
        if kind is SubjectKind.MOUNT and of in readers.list_mount_points():
            return None
        known = sorted(dict.fromkeys(_LISTERS[kind]()))
    except OSError as error:
        return f"{metric} can't be read now: {error}"
    if kind is not SubjectKind.MOUNT and any(fnmatchcase(name, of) for name in known):
        return None
    name = metric.value if of == "*" else f"{metric} of {quote_short(of)}"
    return f"{name} is unavailable now; {_PLURALS[kind]} here: {_join_names(known)}"


def _unavailable_warning(metric: Metric) -> str | None:
    reader = MEASURES[metric].reader
    assert reader is not None
    try:
        reader(Subject("", Unit.PERCENT, lambda: 0.0))()
    except (Unavailable, OSError) as error:
        return f"{metric} is unavailable now: {error}"
    return None


def _join_names(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def _list_sensors() -> Iterable[str]:
    return [name for name, _ in readers.read_temperatures()]


_LISTERS: Mapping[SubjectKind, Callable[[], Iterable[str]]] = {
    SubjectKind.MOUNT: readers.list_disks,
    SubjectKind.INTERFACE: readers.list_interfaces,
    SubjectKind.SENSOR: _list_sensors,
}

_PLURALS: Mapping[SubjectKind, str] = {
    SubjectKind.MOUNT: "mount points of disks",
    SubjectKind.INTERFACE: "network interfaces",
    SubjectKind.SENSOR: "temperature sensors",
}
