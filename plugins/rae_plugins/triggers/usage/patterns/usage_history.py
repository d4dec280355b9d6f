"""Days in slots: how many events each slot had, and in which slots the daemon did not watch."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from math import exp
from typing import Any

from attrs import evolve, field, frozen

from rae_auto.api.events import Event
from rae_plugins.triggers.usage.patterns.days import Days
from rae_plugins.triggers.usage.patterns.matching import is_gap

_ONE_DAY = timedelta(days=1)

DECAY_DAYS = 28.0
"""Days after which a day weighs 1/e."""

SAVE_INTERVAL = timedelta(minutes=30)
"""Interval at which the state is saved even without events: a crash costs no more observed time than this."""


@frozen
class DayRecord:
    """One day: the number of events in each slot, and the slots that were unwatched for half of their length."""

    day: date
    seen: Mapping[int, int] = field(factory=dict)
    missed: frozenset[int] = frozenset()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "DayRecord":
        """Return the record of a JSON object, whose keys are texts."""
        seen = {int(slot): times for slot, times in document["seen"].items()}
        return cls(date.fromisoformat(document["day"]), seen, frozenset(document["missed"]))

    def document(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        seen = {str(slot): times for slot, times in self.seen.items()}
        return {"day": self.day.isoformat(), "seen": seen, "missed": sorted(self.missed)}

    def with_event(self, slot: int) -> "DayRecord":
        """Return the record with one more event in a slot."""
        return evolve(self, seen={**self.seen, slot: self.seen.get(slot, 0) + 1})


@frozen
class UsageHistory:
    """Days divided into slots of `minutes`. Pure: the record of the current day goes in and comes out."""

    days: Days
    minutes: int

    @property
    def slots(self) -> int:
        """Number of slots in a day on the clock."""
        return 24 * 60 // self.minutes

    def begin(self, now: datetime) -> DayRecord:
        """Return the record of the day in which watching begins."""
        day = self.days.date_of(now)
        return self._mark_unwatched(DayRecord(day), self.days.start_of(day), now)

    def follow(self, record: DayRecord, event: Event | None, now: datetime) -> tuple[list[DayRecord], DayRecord]:
        """Return the records of the days that are over at `now`, and that of today; an event may be a gap."""
        if event is not None and is_gap(event):
            return self.skip(record, event.at, now)
        return self.advance(record, now)

    def advance(self, record: DayRecord, now: datetime) -> tuple[list[DayRecord], DayRecord]:
        """Return the records of the days that are over at `now`, and that of today."""
        finished, today = [], self.days.date_of(now)
        while record.day < today:
            finished.append(record)
            record = DayRecord(record.day + _ONE_DAY)
        return finished, record

    def skip(self, record: DayRecord, since: datetime, until: datetime) -> tuple[list[DayRecord], DayRecord]:
        """Return the same after a gap. Days that lie entirely within the gap have no record."""
        finished, record = self.advance(record, since)
        today = self.days.date_of(until)
        if record.day < today:
            finished.append(self._mark_unwatched(record, since, self.days.start_of(record.day + _ONE_DAY)))
            record, since = DayRecord(today), self.days.start_of(today)
        return finished, self._mark_unwatched(record, since, until)

    def watched_slots(self, record: DayRecord) -> frozenset[int]:
        """Return the watched slots, without those that a clock set forward leaves out."""
        existing = {
            slot for slot in range(self.slots) if self._bounds(record.day, slot)[1] > self._bounds(record.day, slot)[0]
        }
        return frozenset(existing - record.missed)

    def _mark_unwatched(self, record: DayRecord, since: datetime, until: datetime) -> DayRecord:
        missed = set(record.missed)
        for slot in range(self.slots):
            start, end = self._bounds(record.day, slot)
            if min(end, until) - max(start, since) >= (end - start) / 2:
                missed.add(slot)
        return evolve(record, missed=frozenset(missed))

    def _bounds(self, day: date, slot: int) -> tuple[datetime, datetime]:
        return self.days.slot_start(day, slot, self.minutes), self.days.slot_start(day, slot + 1, self.minutes)


def decay_factor(last: str | None, day: date) -> float:
    """Return the factor by which weights of the day `last` have decayed on a later day."""
    return exp(-(day - date.fromisoformat(last)).days / DECAY_DAYS) if last is not None else 1.0


def add_decayed(values: Sequence[float], factor: float, more: Sequence[float]) -> list[float]:
    """Return the values decayed by a factor, plus the new ones; rounded, because they are stored as text."""
    return [round(value * factor + new, 5) for value, new in zip(values, more, strict=True)]
