"""Patterns that count: so many within a time, the first of a day, days in a row."""

from datetime import date, datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.usage.days import Days
from rae_plugins.triggers.usage.fold import Match

_ONE = timedelta(days=1)


@frozen
class Count:
    """Fires with the event that makes it `count` within (t - `within`, t].

    Then counting begins anew (`reset`), or the window slides on and nothing fires for `within`. An event that comes
    late, with an instant before others, counts where it belongs.
    """

    matches: Match
    count: int
    within: timedelta
    reset: bool

    def begin(self, now: datetime) -> StepResult:
        """Nothing counted."""
        return StepResult({"times": [], "fired": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Only the last `count` matter: whether the first of them lies within the window of the last."""
        if event is None or not self.matches(event):
            return StepResult(state)
        times = [*state["times"], format_instant(event.at)]
        if len(times) > 1 and parse_instant(times[-2]) > event.at:
            times.sort(key=parse_instant)
        times = times[-self.count :]
        first, last = parse_instant(times[0]), parse_instant(times[-1])
        if len(times) < self.count or last - first >= self.within or self._is_cooling(state, last):
            return StepResult({**state, "times": times})
        firing = Firing(event.id, event.at, self._explained(times, event))
        kept: list[str] = [] if self.reset else times
        return StepResult({"times": kept, "fired": None if self.reset else times[-1]}, (firing,))

    def _is_cooling(self, state: State, now: datetime) -> bool:
        return state["fired"] is not None and now - parse_instant(state["fired"]) < self.within

    def _explained(self, times: list[str], event: Event) -> dict[str, Any]:
        return {
            "pattern": "count",
            "of": self.matches.shown,
            "count": self.count,
            "within": format_duration(self.within),
            "first": times[0],
            "last": times[-1],
            "data": dict(event.data),
        }


@frozen
class FirstOfDay:
    """Fires with the first matching event of each day."""

    matches: Match
    days: Days

    def begin(self, now: datetime) -> StepResult:
        """No day has had one, as far as is known."""
        return StepResult({"day": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """ISO dates compare as the days do; one that comes late belongs to a day that is over."""
        if event is None or not self.matches(event):
            return StepResult(state)
        day = self.days.date_of(event.at).isoformat()
        if state["day"] is not None and day <= state["day"]:
            return StepResult(state)
        explained = {"pattern": "first_of_day", "of": self.matches.shown, "day": day, "data": dict(event.data)}
        return StepResult({"day": day}, (Firing(day, event.at, explained),))


@frozen
class Streak:
    """Fires with the first matching event of the `length`-th day in a row.

    Then counting begins anew (`reset`), or nothing fires until the row was broken. A day that nobody watched breaks it:
    what can't be told is not taken for true.
    """

    matches: Match
    days: Days
    length: int
    reset: bool

    def begin(self, now: datetime) -> StepResult:
        """No day in the row."""
        return StepResult({"day": None, "length": 0})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """A day counts with its first event."""
        if event is None or not self.matches(event):
            return StepResult(state)
        day = self.days.date_of(event.at)
        last = state["day"] and date.fromisoformat(state["day"])
        if last is not None and day <= last:
            return StepResult(state)
        length = state["length"] + 1 if last is not None and day - last == _ONE else 1
        fires = length == self.length
        following = {"day": day.isoformat(), "length": 0 if fires and self.reset else length}
        return StepResult(following, (self._firing(day, event),) if fires else ())

    def _firing(self, day: date, event: Event) -> Firing:
        explained = {
            "pattern": "streak",
            "of": self.matches.shown,
            "days": self.length,
            "first": (day - (self.length - 1) * _ONE).isoformat(),
            "last": day.isoformat(),
            "data": dict(event.data),
        }
        return Firing(day.isoformat(), event.at, explained)
