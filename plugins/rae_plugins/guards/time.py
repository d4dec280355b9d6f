"""Says yes at some times of the day.

What the clock on the wall shows decides, and no more: from `from` on, until it shows `to`, which is outside. Where it
is set forward past a bound, that counts as soon as it shows a later time; a window that lies in the gap as a whole
doesn't come that day. Where it is set back, what is shown twice counts twice: a window from 02:15 to 02:45 comes in
both passes, with a pause between.
"""

from datetime import datetime, timedelta
from datetime import time as clock_time
from functools import lru_cache
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import time_of_day, zone_name
from rae_plugins.machine.wall_clock import next_change, shown_at

_DAY = timedelta(days=1)


@lru_cache(maxsize=1024)
def _time(text: str) -> clock_time:
    return clock_time.fromisoformat(text)


@frozen(kw_only=True)
class TimeGuard(ComputedGuard):
    """Says yes from one time of the day until another, perhaps of the next day, on the clocks of a zone."""

    type: ClassVar[str] = "time"

    from_: str = field(converter=time_of_day, metadata={"help": "the first time of the day that is inside, as 22:00"})
    to: str = field(
        converter=time_of_day, metadata={"help": "the first that is outside again; before from: the next day"}
    )
    timezone: str | None = field(
        default=None, converter=zone_name, metadata={"help": "zone of the clock; by default the configured one"}
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a window that is no window."""
        if self.from_ == self.to:
            raise ValueError(
                f"'to' must be another time than from, {self.from_}; for the whole day leave the guard out"
            )

    def evaluate(self, instant: datetime) -> GuardResult:
        """Whether the clock shows a time inside."""
        place = zone(self.timezone or "local")
        wall = shown_at(instant, place)
        inside = self._holds(wall)
        where = "within" if inside else "outside"
        seconds = "%H:%M:%S" if len(self.from_ + self.to) > 10 else "%H:%M"
        because = f"it is {wall.strftime(seconds)} in {place.key}, {where} {self.from_}-{self.to}"
        return GuardResult(Verdict.YES if inside else Verdict.NO, because)

    def changes_after(self, instant: datetime) -> datetime | None:
        """When the clock next gets in or out."""
        return next_change(self._holds, self._next_bound, zone(self.timezone or "local"), instant)

    def _holds(self, wall: datetime) -> bool:
        first, last, now = _time(self.from_), _time(self.to), wall.time()
        return first <= now < last if first < last else now >= first or now < last

    def _next_bound(self, wall: datetime) -> datetime:
        today = [datetime.combine(wall, _time(bound)) for bound in (self.from_, self.to)]
        return min(bound if bound > wall else bound + _DAY for bound in today)


@hookimpl
def rae_guards() -> list[type[ComputedGuard]]:
    """The time guard."""
    return [TimeGuard]
