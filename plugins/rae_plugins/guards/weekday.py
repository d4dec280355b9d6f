"""Says yes on some days of the week.

The day is what the clock on the wall shows. Where it is set back over midnight, the day before comes again for as
long as it is shown again.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import zone_name
from rae_plugins.guards.lines import shown
from rae_plugins.machine.wall_clock import next_change, shown_at

NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@lru_cache(maxsize=256)
def _numbers(days: tuple[str, ...]) -> frozenset[int]:
    """The days as Python counts them, from 0 for Monday. Errors: ValueError."""
    return frozenset(number for item in days for number in _range(item))


def _range(item: str) -> list[int]:
    first, dash, last = item.partition("-")
    low = _number(first, item)
    high = _number(last, item) if dash else low
    return [(low + step) % 7 for step in range((high - low) % 7 + 1)]


def _number(word: str, item: str) -> int:
    name = word.strip().lower()
    for names in (NAMES, _LONG_NAMES):
        if name in names:
            return names.index(name)
    raise ValueError(f'\'days\' must hold days of the week such as "sat" or "mon-fri", not {shown(repr(item))}')


def _days(value: tuple[str, ...]) -> tuple[str, ...]:
    if not _numbers(days := tuple(value)):
        raise ValueError("'days' must name a day at least, such as \"mon-fri\"")
    return days


@frozen(kw_only=True)
class WeekdayGuard(ComputedGuard):
    """Says yes on some days of the week, on the clocks of a zone."""

    type: ClassVar[str] = "weekday"

    days: tuple[str, ...] = field(
        converter=_days, metadata={"help": 'days and ranges by their English names, as ["mon-wed", "sat"]'}
    )
    timezone: str | None = field(
        default=None, converter=zone_name, metadata={"help": "zone of the clock; by default the configured one"}
    )

    def evaluate(self, instant: datetime) -> GuardResult:
        """Whether the day is one of them."""
        place = zone(self.timezone or "local")
        wall = shown_at(instant, place)
        inside = self._holds(wall)
        because = f"it is {NAMES[wall.weekday()]} in {place.key}, {'' if inside else 'not '}in {','.join(self.days)}"
        return GuardResult(Verdict.YES if inside else Verdict.NO, because)

    def changes_after(self, instant: datetime) -> datetime | None:
        """The midnight, or the setting of the clock, with which another kind of day begins."""
        return next_change(self._holds, _next_midnight, zone(self.timezone or "local"), instant)

    def _holds(self, wall: datetime) -> bool:
        return wall.weekday() in _numbers(self.days)


def _next_midnight(wall: datetime) -> datetime:
    return wall.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


@hookimpl
def rae_guards() -> list[type[ComputedGuard]]:
    """The weekday guard."""
    return [WeekdayGuard]
