"""The weekday guard: a run may start on some days of the week.

The day is the one that the wall clock of the zone shows. Where the clock is set back over midnight, the day before
returns for as long as it is shown again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import zone_name
from rae_plugins.machine.wall_clock import next_change, wall_time_at

SHORT_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@lru_cache(maxsize=256)
def _parse_days(days: tuple[str, ...]) -> frozenset[int]:
    """Return the days as Python counts them, 0 being Monday. Errors: ValueError."""
    return frozenset(number for item in days for number in _parse_range(item))


def _parse_range(item: str) -> list[int]:
    first, dash, last = item.partition("-")
    low = _parse_day(first, item)
    high = _parse_day(last, item) if dash else low
    return [(low + step) % 7 for step in range((high - low) % 7 + 1)]


def _parse_day(word: str, item: str) -> int:
    name = word.strip().lower()
    for names in (SHORT_NAMES, LONG_NAMES):
        if name in names:
            return names.index(name)
    raise ValueError(f'invalid day {quote_short(item)} in "days"; use names and ranges, as in "sat" or "mon-fri"')


def _convert_days(value: tuple[str, ...]) -> tuple[str, ...]:
    if not _parse_days(days := tuple(value)):
        raise ValueError('"days" must not be empty; name days, as in "mon-fri"')
    return days


@frozen(kw_only=True)
class WeekdayGuard(ComputedGuard):
    """Answers yes on some days of the week, on the clock of a zone."""

    type: ClassVar[str] = "weekday"
    example: ClassVar[Mapping[str, Any]] = {"days": ["mon", "tue", "wed", "thu", "fri"]}

    days: tuple[str, ...] = field(
        converter=_convert_days, metadata={"help": 'days and ranges of days, as in ["mon-wed", "sat"]'}
    )
    timezone: str | None = field(
        default=None, converter=zone_name, metadata={"help": "time zone of the clock; by default the configured one"}
    )

    def evaluate(self, instant: datetime) -> GuardResult:
        """Return whether the clock shows one of the days."""
        clock_zone = zone(self.timezone or "local")
        wall = wall_time_at(instant, clock_zone)
        inside = self._is_inside(wall)
        day = LONG_NAMES[wall.weekday()].capitalize()
        reason = f"it is {day} in {clock_zone.key}, {'within' if inside else 'outside'} {', '.join(self.days)}"
        return GuardResult(Verdict.YES if inside else Verdict.NO, reason)

    def changes_after(self, instant: datetime) -> datetime | None:
        """Return the instant, a midnight or a change of the clock, at which the verdict changes."""
        return next_change(self._is_inside, _next_midnight, zone(self.timezone or "local"), instant)

    def _is_inside(self, wall: datetime) -> bool:
        return wall.weekday() in _parse_days(self.days)


def _next_midnight(wall: datetime) -> datetime:
    return wall.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


@hookimpl
def rae_guards() -> list[type[ComputedGuard]]:
    """Return the weekday guard."""
    return [WeekdayGuard]
