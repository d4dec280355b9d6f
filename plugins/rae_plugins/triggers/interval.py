"""The interval trigger: fires at equal intervals of elapsed time, or of days and weeks as the wall clock counts them.

"24h" is elapsed time, "1d" and "2w" are days of the calendar: where the clocks change such a day has 23 or 25 hours,
and a start stays at its time of day. In a gap it comes at the end of the gap, in a fold the first time, as with cron.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.instants import as_utc, parse_instant
from rae_auto.model.primitives.local_times.grammar import find_instants
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.validators import at_least, zone_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_INTERVAL = timedelta(milliseconds=1)
_DAYS = re.compile(r"(?:\d+[dw])+")
_END = datetime.max.replace(tzinfo=UTC)


class CalendarDays(timedelta):
    """A number of whole days by the calendar. It equals no elapsed time, because it lasts differently."""

    def __eq__(self, other: object) -> bool:
        """Return whether the other is as many days by the calendar."""
        return isinstance(other, CalendarDays) and super().__eq__(other)

    __hash__ = timedelta.__hash__


def _parse_every(value: object) -> timedelta:
    duration = parse_duration(value)
    is_by_calendar = isinstance(value, CalendarDays) or (isinstance(value, str) and _DAYS.fullmatch(value))
    return CalendarDays(days=duration.days) if is_by_calendar else duration


def _parse_start(value: object) -> datetime:
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, str):
        return parse_instant(value)
    raise ValueError(
        f"invalid instant {quote_short(str(value))}; write ISO 8601 with an offset, as in 2026-01-31T18:00:00+01:00"
    )


@frozen(kw_only=True)
class IntervalTrigger(ScheduleTrigger):
    """Fires at `from` and at equal intervals before and after it: of elapsed time, or of days and weeks.

    The phase is fixed by `from`, so a restart does not shift it.
    """

    type: ClassVar[str] = "interval"
    example: ClassVar[Mapping[str, Any]] = {"every": "5m"}

    every: timedelta = field(
        converter=_parse_every,
        validator=at_least(MIN_INTERVAL),
        metadata={"help": 'time from one start to the next; "1d" and "2w" are days of the calendar'},
    )
    from_: datetime = field(
        default=EPOCH,
        converter=_parse_start,
        alias="from_",
        metadata={"help": "an instant at which it fires, before or after now"},
    )
    timezone: str | None = field(
        default=None,
        converter=zone_name,
        metadata={"help": "time zone of days and weeks; default: the configured one"},
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "longest random delay of a start"}
    )

    def summary(self) -> str:
        return summarize("every", self.every)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the next multiple of `every` from `from`."""
        if isinstance(self.every, CalendarDays):
            return self._next_by_calendar(instant, zone(self.timezone or "local"))
        steps = (instant - self.from_) // self.every + 1
        if steps > (_END - self.from_) // self.every:
            return None
        return self.from_ + steps * self.every

    def _next_by_calendar(self, instant: datetime, where: ZoneInfo) -> datetime | None:
        try:
            begin = EPOCH if self.from_ == EPOCH else self.from_.astimezone(where)
            first = begin.replace(tzinfo=None, fold=0)
            wall = instant.astimezone(where).replace(tzinfo=None, fold=0)
            # The clock may show a time before or after that of a start at that instant, where it was set.
            steps = (wall - first) // self.every - 1
            while (start := find_instants(first + steps * self.every, where).instants[0]) <= instant:
                steps += 1
            return start
        except OverflowError:
            return None


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the interval trigger."""
    return [IntervalTrigger]
