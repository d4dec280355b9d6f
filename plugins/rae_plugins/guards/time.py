"""The time guard: a run may start within a window of the day.

Only the wall clock of the zone decides: the window begins when it shows `from` and ends when it shows `to`.

- Where the clock is set forward past a bound, the bound counts as soon as a later time is shown. A window that lies in
  the gap as a whole does not occur that day.
- Where it is set back, a time that is shown twice counts twice: a window from 02:15 to 02:45 occurs in both passes,
  with a pause between.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from datetime import time as clock_time
from functools import lru_cache
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import ComputedGuard, GuardResult, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import time_of_day, zone_name
from rae_plugins.machine.wall_clock import next_change, wall_time_at

_DAY = timedelta(days=1)


@lru_cache(maxsize=1024)
def _parse_time(text: str) -> clock_time:
    return clock_time.fromisoformat(text)


@frozen(kw_only=True)
class TimeGuard(ComputedGuard):
    """Answers yes from one time of the day until another, perhaps of the next day, on the clock of a zone."""

    type: ClassVar[str] = "time"
    example: ClassVar[Mapping[str, Any]] = {"from": "22:00", "to": "06:00"}

    from_: str = field(converter=time_of_day, metadata={"help": 'time at which the window begins, as in "22:00"'})
    to: str = field(
        converter=time_of_day, metadata={"help": 'time at which it ends; if before "from", on the next day'}
    )
    timezone: str | None = field(
        default=None, converter=zone_name, metadata={"help": "time zone of the clock; by default the configured one"}
    )

    def __attrs_post_init__(self) -> None:
        """Refuse an empty window."""
        if self.from_ == self.to:
            raise ValueError(
                f'"to" must differ from "from", which is {self.from_}; for the whole day leave the guard out'
            )

    def evaluate(self, instant: datetime) -> GuardResult:
        """Return whether the clock shows a time within the window."""
        clock_zone = zone(self.timezone or "local")
        wall = wall_time_at(instant, clock_zone)
        inside = self._is_inside(wall)
        where = "within" if inside else "outside"
        time_format = "%H:%M:%S" if len(self.from_ + self.to) > 10 else "%H:%M"
        reason = f"it is {wall.strftime(time_format)} in {clock_zone.key}, {where} {self.from_}-{self.to}"
        return GuardResult(Verdict.YES if inside else Verdict.NO, reason)

    def changes_after(self, instant: datetime) -> datetime | None:
        """Return the instant at which the window next begins or ends."""
        return next_change(self._is_inside, self._next_bound, zone(self.timezone or "local"), instant)

    def _is_inside(self, wall: datetime) -> bool:
        first, last, now = _parse_time(self.from_), _parse_time(self.to), wall.time()
        return first <= now < last if first < last else now >= first or now < last

    def _next_bound(self, wall: datetime) -> datetime:
        today = [datetime.combine(wall, _parse_time(bound)) for bound in (self.from_, self.to)]
        return min(bound if bound > wall else bound + _DAY for bound in today)


@hookimpl
def rae_guards() -> list[type[ComputedGuard]]:
    """Return the time guard."""
    return [TimeGuard]
