"""A schedule whose starts are moved off the days that guards forbid: to the next working day, for instance.

A start is moved by whole days; the clock shows the same time. Whether a day is allowed is asked of the job's computed
guards at that time of that day. What finds no allowed day within `MAX_SHIFT` stays where it is, and the guard decides
on it as ever. Starts that are moved onto each other, or onto a start of the schedule itself, are one.

Several starts of the schedule may lie between an instant and the next moved start, since each may be moved by up to
`MAX_SHIFT` in either direction. So all of that span are looked at, which is why there must not be too many.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.model.guard import Computed, Verdict
from rae_auto.model.policies import Shift

MAX_SHIFT_DAYS = 14
MAX_SHIFT = timedelta(days=MAX_SHIFT_DAYS, hours=2)
"""The time by which a start is moved at most; the clock may be set meanwhile."""
_DIRECTIONS = {Shift.NEXT: (1,), Shift.PREVIOUS: (-1,), Shift.NEAREST: (1, -1)}


@frozen
class ShiftedSchedule(ScheduleTrigger):
    """A schedule with starts that are moved to days on which all guards say yes."""

    inner: ScheduleTrigger
    guards: tuple[Computed, ...]
    shift: Shift
    zone: ZoneInfo

    def __attrs_post_init__(self) -> None:
        # Only where a job has one, for memory; now, so that no start fails because a module can't be read.
        import rae_auto.model.primitives.local_times  # noqa: F401

    @property
    def type(self) -> str:  # type: ignore[override]
        """The type of the schedule that is moved."""
        return self.inner.type

    @property
    def jitter(self) -> timedelta:  # type: ignore[override]
        """The maximum delay of a start."""
        return self.inner.jitter

    @property
    def timezone(self) -> str | None:
        """The time zone of the schedule that is moved, if it has one of its own."""
        return getattr(self.inner, "timezone", None)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first start, moved or not, after an instant."""
        first: datetime | None = None
        for start in self._starts_after(instant - MAX_SHIFT):
            if first is not None and start - MAX_SHIFT > first:
                break
            moved = self._move(start)
            if moved > instant and (first is None or moved < first):
                first = moved
        return first

    def event_at(self, instant: datetime) -> Mapping[str, Any] | None:
        """Return the event of the start that was moved to an instant."""
        return next((event for start in self._origins(instant) if (event := self.inner.event_at(start))), None)

    def _origins(self, instant: datetime) -> Iterator[datetime]:
        """Yield the starts of the schedule that are moved to an instant, or stay there."""
        for start in self._starts_after(instant - MAX_SHIFT):
            if start > instant + MAX_SHIFT:
                break
            if self._move(start) == instant:
                yield start

    def note(self, instant: datetime) -> str | None:
        """Return from where a start was moved, and why."""
        own = self.inner.note(instant)
        for start in self._origins(instant):
            if start != instant:
                moved = f"moved from {start.astimezone(self.zone):%a %Y-%m-%d}, when {self._objection(start)}"
                return moved if own is None else f"{moved}; {own}"
        return own

    def summary(self) -> str:
        """Return the schedule in a few words, and where its starts are moved."""
        return f"{self.inner.summary()}, moved to the {self.shift} allowed day"

    def describe(self) -> str:
        """Return when it fires as part of a sentence, and where its starts are moved."""
        return f"{self.inner.describe()}, moved to the {self.shift} allowed day"

    def _starts_after(self, instant: datetime) -> Iterator[datetime]:
        start = self.inner.next_after(instant)
        while start is not None:
            yield start
            start = self.inner.next_after(start)

    def _move(self, start: datetime) -> datetime:
        if self._is_allowed(start):
            return start
        from rae_auto.model.primitives.local_times import find_instants  # lazy: memory

        wall = start.astimezone(self.zone).replace(tzinfo=None, fold=0)
        for distance in range(1, MAX_SHIFT_DAYS + 1):
            for sign in _DIRECTIONS[self.shift]:
                moved = find_instants(wall + timedelta(days=sign * distance), self.zone).instants[0]
                if self._is_allowed(moved):
                    return moved
        return start

    def _is_allowed(self, instant: datetime) -> bool:
        return all(guard.evaluate(instant).verdict is Verdict.YES for guard in self.guards)

    def _objection(self, instant: datetime) -> str:
        results = (guard.evaluate(instant) for guard in self.guards)
        return next((result.reason for result in results if result.verdict is not Verdict.YES), "a guard said no")
