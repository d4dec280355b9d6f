"""Patterns that count: events within a time, the first of a day, days in a row."""

from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.validators import ge, le

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.validators import at_least
from rae_plugins.triggers.usage.patterns.options import MIN_PERIOD, DayOptions, EventPattern, option_help

MAX_COUNT = 10_000
"""The greatest `count`, which is also the number of instants that the state may have."""

_ONE_DAY = timedelta(days=1)


@frozen(kw_only=True)
class CountPattern(EventPattern):
    """Fires with the event that is the `count`th within (t - `within`, t].

    Then counting starts again (`reset`), or the window slides on and nothing fires for `within`. A late event, with an
    instant before others, counts at its instant. State: the instants of the last `count` events, and of the firing.
    """

    pattern: ClassVar[str] = "count"

    count: int = field(validator=[ge(1), le(MAX_COUNT)], metadata=option_help("how many events"))
    within: timedelta = field(
        converter=parse_duration, validator=at_least(MIN_PERIOD), metadata=option_help("in how much time, up to now")
    )
    reset: bool = field(default=True, metadata=option_help("start counting again after a firing"))

    def upstream_jobs(self) -> tuple[str, ...]:
        """Return the one job whose ends are counted: it must be another job, because it would start itself."""
        job = self.where.get("job")
        is_single = isinstance(job, str) and not set(job) & set("*?[")
        return (str(job),) if self._counts_run_ends and is_single else super().upstream_jobs()

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if the job counts its own runs."""
        return (*super().warnings(), *self._own_run_warnings())

    def begin(self, now: datetime) -> StepResult:
        """Return the state before any event."""
        return StepResult({"times": [], "fired": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state, and a firing if the last `count` events lie within one window."""
        if event is None or not self._matcher.matches(event):
            return StepResult(state)
        times = [*state["times"], format_instant(event.at)]
        if len(times) > 1 and parse_instant(times[-2]) > event.at:
            times.sort(key=parse_instant)
        times = times[-self.count :]
        first, last = parse_instant(times[0]), parse_instant(times[-1])
        if len(times) < self.count or last - first >= self.within or self._is_cooling(state, last):
            return StepResult({**state, "times": times})
        firing = Firing(event.id, event.at, self._document(times, event))
        remaining: list[str] = [] if self.reset else times
        return StepResult({"times": remaining, "fired": None if self.reset else times[-1]}, (firing,))

    def _is_cooling(self, state: State, now: datetime) -> bool:
        return state["fired"] is not None and now - parse_instant(state["fired"]) < self.within

    def _document(self, times: list[str], event: Event) -> dict[str, Any]:
        return {
            "pattern": self.pattern,
            "of": self._matcher.label,
            "count": self.count,
            "within": format_duration(self.within),
            "first": times[0],
            "last": times[-1],
            "data": dict(event.data),
        }


@frozen(kw_only=True)
class FirstOfDayPattern(DayOptions, EventPattern):
    """Fires with the first matching event of each day. State: the last day that had one."""

    pattern: ClassVar[str] = "first_of_day"

    def begin(self, now: datetime) -> StepResult:
        """Return the state before any event."""
        return StepResult({"day": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state, and a firing for a new day; a late event belongs to a day that is over."""
        if event is None or not self._matcher.matches(event):
            return StepResult(state)
        # ISO dates compare as days do.
        day = self._local_days.date_of(event.at).isoformat()
        if state["day"] is not None and day <= state["day"]:
            return StepResult(state)
        document = {"pattern": self.pattern, "of": self._matcher.label, "day": day, "data": dict(event.data)}
        return StepResult({"day": day}, (Firing(day, event.at, document),))


@frozen(kw_only=True)
class StreakPattern(DayOptions, EventPattern):
    """Fires with the first matching event of the `days`th day in a row.

    Then counting starts again (`reset`), or nothing fires until the row was broken. A day on which the daemon did not
    watch breaks the row. State: the last day that counted, and the length of its row.
    """

    pattern: ClassVar[str] = "streak"

    days: int = field(validator=ge(2), metadata=option_help("how many days in a row"))
    reset: bool = field(default=True, metadata=option_help("start counting again after a firing"))

    def begin(self, now: datetime) -> StepResult:
        """Return the state before any event."""
        return StepResult({"day": None, "length": 0})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state, and a firing on the last day of the row."""
        if event is None or not self._matcher.matches(event):
            return StepResult(state)
        day = self._local_days.date_of(event.at)
        last = state["day"] and date.fromisoformat(state["day"])
        if last is not None and day <= last:
            return StepResult(state)
        length = state["length"] + 1 if last is not None and day - last == _ONE_DAY else 1
        fires = length == self.days
        following = {"day": day.isoformat(), "length": 0 if fires and self.reset else length}
        return StepResult(following, (self._firing(day, event),) if fires else ())

    def _firing(self, day: date, event: Event) -> Firing:
        document = {
            "pattern": self.pattern,
            "of": self._matcher.label,
            "days": self.days,
            "first": (day - (self.days - 1) * _ONE_DAY).isoformat(),
            "last": day.isoformat(),
            "data": dict(event.data),
        }
        return Firing(day.isoformat(), event.at, document)
