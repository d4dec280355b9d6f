"""A player of usage patterns: events go in, firings come out."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import fields_dict

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing
from rae_auto.toolkit.pattern_run import PatternRun
from rae_plugins.triggers.usage import UsageTrigger
from rae_plugins.triggers.usage.patterns.options import UsagePattern

BERLIN = "Europe/Berlin"

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)
"""A Monday morning, nine o'clock in Berlin."""


def make_pattern(pattern: str, **options: Any) -> UsagePattern:
    """Return a pattern of the usage trigger; a time zone is dropped if it has no days."""
    cls: Any = UsageTrigger.variants().classes[pattern]
    if "timezone" not in fields_dict(cls):
        options.pop("timezone", None)
    made: UsagePattern = cls(**options)
    return made


class PatternPlayer:
    """A pattern that runs from BEGIN on."""

    def __init__(self, begin: datetime = BEGIN, **options: Any) -> None:
        self.pattern = make_pattern(**{"timezone": BERLIN, **options})
        self.play = PatternRun.start(self.pattern, begin)
        self.fired: list[Firing] = []
        self._count = 0

    def handle(
        self, at: datetime, name: str = "shell.command", data: Mapping[str, Any] | None = None, id: str | None = None
    ) -> list[Firing]:
        """Handle an event, and return the firings until then and with it."""
        self._count += 1
        return self._note(self.play.handle(Event(id or f"event-{self._count}", name, at, data or {})))

    def handle_all(self, times: Iterable[datetime]) -> list[Firing]:
        """Handle an event at each of these times, and return the firings."""
        return [firing for at in times for firing in self.handle(at)]

    def advance_to(self, until: datetime) -> list[Firing]:
        """Advance the time without events, and return the firings."""
        return self._note(self.play.advance(until))

    def skip(self, since: datetime, until: datetime, why: str = "slept") -> list[Firing]:
        """Skip a gap, and return the firings."""
        return self._note(self.play.skip(since, until, why))

    def _note(self, firings: list[Firing]) -> list[Firing]:
        self.fired += firings
        return firings


def after(**time: float) -> datetime:
    """Return an instant after BEGIN."""
    return BEGIN + timedelta(**time)
