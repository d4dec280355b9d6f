"""So much use of an application in a day, a week or the last hours."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.usage.days import Days
from rae_plugins.triggers.usage.fold import USE

_ZERO = timedelta(0)

Interval = tuple[datetime, datetime]


@frozen
class PerPeriod:
    """Fires when use has added up to `lasting` in a day or a week, once in each."""

    lasting: timedelta
    per: str
    days: Days

    def begin(self, now: datetime) -> StepResult:
        """No use."""
        return StepResult({"period": "", "seconds": 0.0, "fired": False, "until": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Use is cut at the borders of periods; what was counted counts no more."""
        firings = []
        for start, end in new_use(event, state["until"]):
            while start < end:
                period, over = self._period(start)
                if period < state["period"]:
                    break
                if period != state["period"]:
                    state = {**state, "period": period, "seconds": 0.0, "fired": False}
                piece = min(end, over) - start
                left = self.lasting.total_seconds() - state["seconds"]
                if not state["fired"] and piece.total_seconds() >= left:
                    firings.append(self._firing(period, start + timedelta(seconds=left)))
                    state = {**state, "fired": True}
                state = {**state, "seconds": state["seconds"] + piece.total_seconds()}
                start += piece
            state = {**state, "until": format_instant(end)}
        return StepResult(state, tuple(firings))

    def _period(self, instant: datetime) -> tuple[str, datetime]:
        day = self.days.date_of(instant)
        length = 1
        if self.per == "week":
            day, length = self.days.week_of(day), 7
        return day.isoformat(), self.days.start_of(day + length * timedelta(days=1))

    def _firing(self, period: str, at: datetime) -> Firing:
        explained = {
            "pattern": "duration",
            "for": format_duration(self.lasting),
            "per": self.per,
            "period": period,
            "reached": format_instant(at),
        }
        return Firing(f"{self.per}-{period}", at, explained)


@frozen
class PerWindow:
    """Fires when use in the last `within` has come to `lasting`, and again after it was less than that."""

    lasting: timedelta
    within: timedelta

    def begin(self, now: datetime) -> StepResult:
        """No use."""
        return StepResult({"pieces": [], "armed": True, "until": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """While there is use the sum never falls, and while there is none it never rises: its ends decide."""
        firings = []
        for number, (start, end) in enumerate(new_use(event, state["until"])):
            before = [(parse_instant(first), parse_instant(last)) for first, last in state["pieces"]]
            armed = state["armed"] or _sum(before, start - self.within, start) < self.lasting
            pieces = _joined(before, (start, end), end - self.within)
            used = _sum(pieces, end - self.within, end)
            if armed and used >= self.lasting and event is not None:
                firings.append(self._firing(f"{event.id}-{number}", end, used))
                armed = False
            kept = [[format_instant(first), format_instant(last)] for first, last in pieces]
            state = {"pieces": kept, "armed": armed, "until": format_instant(end)}
        return StepResult(state, tuple(firings))

    def _firing(self, key: str, at: datetime, used: timedelta) -> Firing:
        explained = {
            "pattern": "duration",
            "for": format_duration(self.lasting),
            "within": format_duration(self.within),
            "seconds": round(used.total_seconds(), 3),
            "reached": format_instant(at),
        }
        return Firing(key, at, explained)


def new_use(event: Event | None, until: str | None) -> Iterator[Interval]:
    """The intervals of an event, as far as they lie behind what was counted."""
    if event is None or event.name != USE:
        return
    counted = parse_instant(until) if until else None
    for first, last in event.data["intervals"]:
        start, end = parse_instant(first), parse_instant(last)
        if counted is not None:
            start = max(start, counted)
        if start < end:
            counted = end
            yield start, end


def _sum(pieces: list[Interval], after: datetime, until: datetime) -> timedelta:
    return sum((max(min(last, until) - max(first, after), _ZERO) for first, last in pieces), _ZERO)


def _joined(pieces: list[Interval], piece: Interval, after: datetime) -> list[Interval]:
    """Pieces that touch are one, and those that have left the window are gone."""
    start, end = piece
    kept = [(first, last) for first, last in pieces if last > after]
    if kept and kept[-1][1] == start:
        return [*kept[:-1], (kept[-1][0], end)]
    return [*kept, (start, end)]
