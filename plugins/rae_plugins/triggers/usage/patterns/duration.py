"""Use of an application, summed over a day, a week or the last hours."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from attrs import field, frozen
from attrs.converters import optional as or_none
from attrs.validators import in_

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.validators import at_least
from rae_plugins.triggers.usage.patterns.days import Days
from rae_plugins.triggers.usage.patterns.matching import USE
from rae_plugins.triggers.usage.patterns.options import MIN_PERIOD, DayOptions, UsePattern, option_help

_ZERO = timedelta(0)
_PERIODS = {"day": timedelta(days=1), "week": timedelta(weeks=1)}

Interval = tuple[datetime, datetime]


@frozen
class PeriodSum:
    """Fires when the use in a day or a week reaches `threshold`, once in each."""

    threshold: timedelta
    per: str
    days: Days

    def begin(self, now: datetime) -> StepResult:
        """Return the state before any use."""
        return StepResult({"period": "", "seconds": 0.0, "fired": False, "until": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state and firings. Use is split at the ends of periods; use before `until` was counted."""
        firings = []
        for start, end in new_use(event, state["until"]):
            while start < end:
                period, over = self._period(start)
                if period < state["period"]:
                    break
                if period != state["period"]:
                    state = {**state, "period": period, "seconds": 0.0, "fired": False}
                piece = min(end, over) - start
                left = self.threshold.total_seconds() - state["seconds"]
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
        document = {
            "pattern": "duration",
            "for": format_duration(self.threshold),
            "per": self.per,
            "period": period,
            "reached": format_instant(at),
        }
        return Firing(f"{self.per}-{period}", at, document)


@frozen
class WindowSum:
    """Fires when the use in the last `within` reaches `threshold`, and again after it was below that."""

    threshold: timedelta
    within: timedelta

    def begin(self, now: datetime) -> StepResult:
        """Return the state before any use."""
        return StepResult({"pieces": [], "armed": True, "until": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state and firings.

        During use the sum never falls, and without use it never rises: so the ends of an interval decide.
        """
        firings = []
        for number, (start, end) in enumerate(new_use(event, state["until"])):
            before = [(parse_instant(first), parse_instant(last)) for first, last in state["pieces"]]
            armed = state["armed"] or _sum(before, start - self.within, start) < self.threshold
            pieces = _add_piece(before, (start, end), end - self.within)
            used = _sum(pieces, end - self.within, end)
            if armed and used >= self.threshold and event is not None:
                firings.append(self._firing(f"{event.id}-{number}", end, used))
                armed = False
            texts = [[format_instant(first), format_instant(last)] for first, last in pieces]
            state = {"pieces": texts, "armed": armed, "until": format_instant(end)}
        return StepResult(state, tuple(firings))

    def _firing(self, key: str, at: datetime, used: timedelta) -> Firing:
        document = {
            "pattern": "duration",
            "for": format_duration(self.threshold),
            "within": format_duration(self.within),
            "seconds": round(used.total_seconds(), 3),
            "reached": format_instant(at),
        }
        return Firing(key, at, document)


@frozen(kw_only=True)
class DurationPattern(DayOptions, UsePattern):
    """Fires when an application was used for `for` in a day, a week, or the last `within`."""

    pattern: ClassVar[str] = "duration"

    for_: timedelta = field(
        converter=parse_duration, validator=at_least(MIN_PERIOD), metadata=option_help("how much use")
    )
    per: Literal["day", "week"] = field(
        default="day", validator=in_(("day", "week")), metadata=option_help("the period over which use is summed")
    )
    within: timedelta | None = field(
        default=None,
        converter=or_none(parse_duration),
        validator=at_least(MIN_PERIOD),
        metadata=option_help("sum use over this much time up to now, instead of `per`"),
    )
    _sum: PeriodSum | WindowSum = field(init=False, eq=False, repr=False)

    @_sum.default
    def _make_sum(self) -> PeriodSum | WindowSum:
        if self.within is not None:
            return WindowSum(self.for_, self.within)
        return PeriodSum(self.for_, self.per, self._local_days)

    def __attrs_post_init__(self) -> None:
        """Refuse options that don't go together. Raises ValueError."""
        super().__attrs_post_init__()
        if self.within is not None and self._first_set("per"):
            raise ValueError("'per' must be removed, because use is summed over 'within'")
        limit = self.within or _PERIODS[self.per]
        if self.for_ > limit:
            raise ValueError(f"'for' must be at most {format_duration(limit)}, the time over which use is summed")

    def begin(self, now: datetime) -> StepResult:
        """Return the state before any use."""
        return self._sum.begin(now)

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state and firings after a report of use."""
        return self._sum.step(state, event, now)


def new_use(event: Event | None, until: str | None) -> Iterator[Interval]:
    """Yield the intervals of an event, without the parts before `until`, which were counted."""
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


def _add_piece(pieces: list[Interval], piece: Interval, after: datetime) -> list[Interval]:
    """Return the pieces with one more; touching ones are merged, and those before `after` are dropped."""
    start, end = piece
    recent = [(first, last) for first, last in pieces if last > after]
    if recent and recent[-1][1] == start:
        return [*recent[:-1], (recent[-1][0], end)]
    return [*recent, (start, end)]
