"""What the patterns share: their shape, and which events count."""

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol

from attrs import frozen

from rae_auto.api.events import Event, is_named
from rae_auto.api.pattern import GAP, State, StepResult

DRY_RUN = "usage.dry_run"
"""The name of the event that says what would have fired."""

OCCURRENCE = "of"
"""The part whose occurrences count."""

USE = "use"
"""The part that tells when an application was used: `intervals` of `[from, until]`, and whether one `began`."""

IDLE = "idle"
"""The part that tells of spells without input: `idle` true where one has become long enough, false at its end."""


class Fold(Protocol):
    """One kind of pattern: pure, and its state is JSON."""

    def begin(self, now: datetime) -> StepResult:
        """Where it begins."""
        ...

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """What comes of an event, or of time that has passed."""
        ...


@frozen
class Match:
    """Which events count: by name (`*` stands for any text), and by what their data must say."""

    name: str
    where: Mapping[str, Any]
    what: str = ""
    """The type of the trigger, or the application, where it isn't recorded events that count."""

    @property
    def shown(self) -> str:
        """What counts, for the event document."""
        return self.what or self.name

    def __call__(self, event: Event | None) -> bool:
        """Whether this one counts."""
        if event is None or is_gap(event) or not is_named(event.name, (self.name,)):
            return False
        # What would have fired is not what people do, unless somebody asks for it by its name.
        if event.name == DRY_RUN and not self.name.startswith("usage."):
            return False
        return all(_fits(_find(event.data, key), wanted) for key, wanted in self.where.items())


def is_gap(event: Event | None) -> bool:
    """Whether it says that nobody watched for a while."""
    return event is not None and event.name == GAP


def _find(data: Mapping[str, Any], key: str) -> object:
    """The field of this name, or what lies at the end of a dotted path."""
    if key in data:
        return data[key]
    found: Any = data
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _fits(found: object, wanted: object) -> bool:
    if isinstance(found, list | tuple):
        return any(_fits(item, wanted) for item in found)
    if isinstance(wanted, str) and isinstance(found, str):
        return fnmatchcase(found, wanted)
    # In JSON true is no 1.
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
