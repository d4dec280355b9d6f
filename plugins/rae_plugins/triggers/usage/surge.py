"""An unusual rate, against the same hour of other days.

Of each hour on the clock are kept, weighed by e^(-age / 28 days), how many days it was watched, and the sum and the sum
of squares of what came in it. What came is unusual where it is at least `count`, at least `factor` times the mean,
and at least `sigma` standard deviations above it. The deviation is taken to be no smaller than the root of the mean,
which is that of events that know nothing of each other, and no smaller than one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import sqrt
from typing import Any

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_plugins.triggers.usage.days import Days
from rae_plugins.triggers.usage.diary import HEARTBEAT, Diary, Page, faded, fading
from rae_plugins.triggers.usage.fold import Match

MINUTES = 60
SLOTS = 24

Table = Mapping[str, Any]


@frozen
class Usual:
    """What an hour of the day usually brings."""

    days: int
    mean: float
    deviation: float


@frozen
class Surge:
    """Fires with the event that makes an hour unusual, and then not for `cooldown`."""

    matches: Match
    days: Days
    count: int
    sigma: float
    factor: float
    warm_up: int
    cooldown: timedelta

    def begin(self, now: datetime) -> StepResult:
        """Nothing learned."""
        page = Diary(self.days, MINUTES).begin(now)
        return StepResult({"page": page.document(), "table": _EMPTY, "fired": None}, (), now + HEARTBEAT)

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Learn from the days that are over, and look at the hour that the event makes fuller."""
        diary, page = Diary(self.days, MINUTES), Page.read(state["page"])
        finished, page = diary.follow(page, event, now)
        for past in finished:
            state = {**state, "table": _learned(state["table"], past, diary)}
        firings: tuple[Firing, ...] = ()
        if event is not None and self.matches(event):
            day, slot = self.days.slot_of(event.at, MINUTES)
            # An hour that the clock shows twice is the hour of other days but once.
            if day == page.day and not self.days.is_shown_again(event.at):
                page = page.with_one(slot)
                firings = self._firings(state, event, slot, page.seen[slot])
        fired = format_instant(firings[0].at) if firings else state["fired"]
        return StepResult({**state, "page": page.document(), "fired": fired}, firings, now + HEARTBEAT)

    def _firings(self, state: State, event: Event, slot: int, seen: int) -> tuple[Firing, ...]:
        usual = _usual(state["table"], slot)
        if usual.days < self.warm_up:
            return ()
        threshold = max(usual.mean + self.sigma * usual.deviation, usual.mean * self.factor, self.count)
        if seen < threshold:
            return ()
        if state["fired"] is not None and event.at - parse_instant(state["fired"]) < self.cooldown:
            return ()
        explained = {
            "pattern": "surge",
            "of": self.matches.shown,
            "hour": self.days.slot_text(slot, MINUTES),
            "seen": seen,
            "threshold": round(threshold, 2),
            "usual": round(usual.mean, 2),
            "deviation": round(usual.deviation, 2),
            "days": usual.days,
            "data": dict(event.data),
        }
        return (Firing(event.id, event.at, explained),)


_EMPTY: Table = {
    "last": None,
    "days": [0.0] * SLOTS,
    "sums": [0.0] * SLOTS,
    "squares": [0.0] * SLOTS,
    "counted": [0] * SLOTS,
}


def _learned(table: Table, page: Page, diary: Diary) -> Table:
    """With one day more, as far as it was watched."""
    factor, watched = fading(table["last"], page.day), diary.watched(page)
    days = [float(slot in watched) for slot in range(SLOTS)]
    seen = [float(page.seen.get(slot, 0)) * day for slot, day in enumerate(days)]
    return {
        "last": page.day.isoformat(),
        "days": faded(table["days"], factor, days),
        "sums": faded(table["sums"], factor, seen),
        "squares": faded(table["squares"], factor, [value * value for value in seen]),
        "counted": [count + int(day) for count, day in zip(table["counted"], days, strict=True)],
    }


def _usual(table: Table, slot: int) -> Usual:
    """All days have faded by the same, so their ratio stays what it was."""
    days = table["days"][slot]
    mean = table["sums"][slot] / days if days else 0.0
    variance = table["squares"][slot] / days - mean * mean if days else 0.0
    return Usual(table["counted"][slot], mean, sqrt(max(variance, mean, 1.0)))
