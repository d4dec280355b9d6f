"""Events that count, and the names of events that patterns read beside the recorded ones."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from attrs import frozen

from rae_auto.api.events import Event, is_named
from rae_auto.api.pattern import GAP

DRY_RUN = "usage.dry_run"
"""The event that records a firing of a pattern in a dry run."""

OCCURRENCE = "of"
"""The part whose occurrences count."""

USE = "use"
"""The part that reports use of an application: `intervals` of `[from, until]`, and whether a session `began`."""

IDLE = "idle"
"""The part that reports idle periods: `idle` is true once one is long enough, and false at its end."""


@frozen
class EventMatcher:
    """Matches events by name (`*` stands for any text) and by their data."""

    name: str
    where: Mapping[str, Any]
    description: str = ""
    """The type of the trigger, or the application, if it isn't recorded events that count."""

    @property
    def label(self) -> str:
        """Label of the counted events in the document of a firing."""
        return self.description or self.name

    def matches(self, event: Event | None) -> bool:
        """Return whether the event counts; a gap never does."""
        if event is None or is_gap(event) or not is_named(event.name, (self.name,)):
            return False
        # A dry run isn't something that people do, so it counts only if it is asked for by its name.
        if event.name == DRY_RUN and not self.name.startswith("usage."):
            return False
        return all(_value_matches(_lookup(event.data, key), expected) for key, expected in self.where.items())


def is_gap(event: Event | None) -> bool:
    """Return whether the event is a gap: a time in which the daemon did not watch."""
    return event is not None and event.name == GAP


def _lookup(data: Mapping[str, Any], key: str) -> object:
    """Return the field of this name, or the value at a dotted path, or None."""
    if key in data:
        return data[key]
    value: Any = data
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _value_matches(value: object, expected: object) -> bool:
    if isinstance(value, list | tuple):
        return any(_value_matches(item, expected) for item in value)
    if isinstance(expected, str) and isinstance(value, str):
        return fnmatchcase(value, expected)
    # In JSON true is not 1.
    return value == expected and isinstance(value, bool) == isinstance(expected, bool)
