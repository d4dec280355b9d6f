"""A day as learning patterns see it: in which of its slots something was seen, and in which nobody watched."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from math import exp
from typing import Any

from attrs import evolve, field, frozen

from rae_auto.api.events import Event
from rae_plugins.triggers.usage.days import Days
from rae_plugins.triggers.usage.fold import is_gap

_ONE = timedelta(days=1)

FADING = 28.0
"""Days after which what was learned weighs 1/e."""

HEARTBEAT = timedelta(minutes=30)
"""How often a pattern that learns is asked though nothing happens: a crash makes no longer a time unwatched."""


@frozen
class Page:
    """One day: how often something was seen in each slot, and the slots in most of which nobody watched."""

    day: date
    seen: Mapping[int, int] = field(factory=dict)
    missed: frozenset[int] = frozenset()

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Page":
        """From JSON, whose keys are texts."""
        seen = {int(slot): times for slot, times in document["seen"].items()}
        return cls(date.fromisoformat(document["day"]), seen, frozenset(document["missed"]))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        seen = {str(slot): times for slot, times in self.seen.items()}
        return {"day": self.day.isoformat(), "seen": seen, "missed": sorted(self.missed)}

    def with_one(self, slot: int) -> "Page":
        """Something was seen once more."""
        return evolve(self, seen={**self.seen, slot: self.seen.get(slot, 0) + 1})


@frozen
class Diary:
    """Days cut into slots of so many minutes."""

    days: Days
    minutes: int

    @property
    def slots(self) -> int:
        """How many a day has on the clock."""
        return 24 * 60 // self.minutes

    def begin(self, now: datetime) -> Page:
        """The page of the day in which the watching begins."""
        day = self.days.date_of(now)
        return self._unwatched(Page(day), self.days.start_of(day), now)

    def follow(self, page: Page, event: Event | None, now: datetime) -> tuple[list[Page], Page]:
        """The pages of the days that are over by now, and that of today; an event may be a gap."""
        if event is not None and is_gap(event):
            return self.skip(page, event.at, now)
        return self.turn(page, now)

    def turn(self, page: Page, now: datetime) -> tuple[list[Page], Page]:
        """The pages of the days that are over by now, and that of today."""
        finished, today = [], self.days.date_of(now)
        while page.day < today:
            finished.append(page)
            page = Page(page.day + _ONE)
        return finished, page

    def skip(self, page: Page, since: datetime, until: datetime) -> tuple[list[Page], Page]:
        """As `turn`, where nobody watched for a while. Days of which nothing was seen have no page."""
        finished, page = self.turn(page, since)
        today = self.days.date_of(until)
        if page.day < today:
            finished.append(self._unwatched(page, since, self.days.start_of(page.day + _ONE)))
            page, since = Page(today), self.days.start_of(today)
        return finished, self._unwatched(page, since, until)

    def watched(self, page: Page) -> frozenset[int]:
        """The slots in which what happened was seen. A clock that is set forward leaves some out."""
        there = {
            slot for slot in range(self.slots) if self._bounds(page.day, slot)[1] > self._bounds(page.day, slot)[0]
        }
        return frozenset(there - page.missed)

    def _unwatched(self, page: Page, since: datetime, until: datetime) -> Page:
        missed = set(page.missed)
        for slot in range(self.slots):
            start, end = self._bounds(page.day, slot)
            if min(end, until) - max(start, since) >= (end - start) / 2:
                missed.add(slot)
        return evolve(page, missed=frozenset(missed))

    def _bounds(self, day: date, slot: int) -> tuple[datetime, datetime]:
        return self.days.slot_start(day, slot, self.minutes), self.days.slot_start(day, slot + 1, self.minutes)


def fading(last: str | None, day: date) -> float:
    """What is left, on a day, of the weight of what was learned until the last one."""
    return exp(-(day - date.fromisoformat(last)).days / FADING) if last is not None else 1.0


def faded(values: Sequence[float], factor: float, more: Sequence[float]) -> list[float]:
    """Each value weighed less, and what has come added. Rounded, since it is kept as text."""
    return [round(value * factor + new, 5) for value, new in zip(values, more, strict=True)]
