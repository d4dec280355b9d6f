"""What may be wrong with a threshold on this machine, for `rae-auto check`; it is no mistake, since machines change."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.threshold import readers
from rae_plugins.triggers.threshold.levels import Unit
from rae_plugins.triggers.threshold.metrics import MEASURES, Metric, Of
from rae_plugins.triggers.threshold.readers import Subject, Unavailable

_NAMED = 8
"""How many of the names that there are a message tells."""


def doubts_of(
    metric: Metric, of: str, command: Sequence[str] | None, lasting: timedelta, every: timedelta
) -> tuple[str, ...]:
    """One line each."""
    found = [_missing(metric, of, command)]
    if timedelta(0) < lasting < every:
        found.append(
            f"for is shorter than every: two readings are needed, so it lasts {format_duration(every)} at least"
        )
    return tuple(doubt for doubt in found if doubt is not None)


def _missing(metric: Metric, of: str, command: Sequence[str] | None) -> str | None:
    if command is not None:
        return None if shutil.which(command[0]) else f"there is no program {command[0]!a} here; it is unavailable"
    if metric in (Metric.BATTERY, Metric.SWAP):
        return _unavailable(metric)
    kind = MEASURES[metric].of
    if kind not in _KNOWN:
        return None
    try:
        if kind is Of.MOUNT and of in readers.mount_points():
            return None
        known = sorted(dict.fromkeys(_KNOWN[kind]()))
    except OSError as error:
        return f"{metric} can't be read now: {error}"
    if kind is not Of.MOUNT and any(fnmatchcase(name, of) for name in known):
        return None
    name = metric.value if of == "*" else f"{metric} of {of!a}"
    return f"{name} is unavailable now; {_WORDS[kind]} here: {_listed(known)}"


def _unavailable(metric: Metric) -> str | None:
    reader = MEASURES[metric].reader
    assert reader is not None
    try:
        reader(Subject("", Unit.PERCENT, lambda: 0.0))()
    except (Unavailable, OSError) as error:
        return f"{metric} is unavailable now: {error}"
    return None


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _sensors() -> Iterable[str]:
    return [name for name, _ in readers.temperatures()]


_KNOWN: Mapping[Of, Callable[[], Iterable[str]]] = {
    Of.MOUNT: readers.disks,
    Of.INTERFACE: readers.interfaces,
    Of.SENSOR: _sensors,
}

_WORDS: Mapping[Of, str] = {
    Of.MOUNT: "mount points of disks",
    Of.INTERFACE: "network interfaces",
    Of.SENSOR: "temperature sensors",
}
