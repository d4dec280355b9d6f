"""The interval trigger: fires at equal intervals of elapsed time, or of days and weeks as the wall clock counts them.

With `from = "start"` or `from = "end"` it counts from the last run of its job instead of by the clock alone.

"24h" is elapsed time, "1d" and "2w" are days of the calendar: where the clocks change such a day has 23 or 25 hours,
and a start stays at its time of day. In a gap it comes at the end of the gap, in a fold the first time, as with cron.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.instants import as_utc, parse_instant
from rae_auto.model.primitives.local_times.grammar import find_instants
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.model.schedule import RunPoint
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


def _parse_start(value: object) -> datetime | RunPoint:
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, str) and value in tuple(RunPoint):
        return RunPoint(value)
    try:
        return parse_instant(str(value))
    except ValueError:
        raise ValueError(
            f"invalid instant {quote_short(str(value))}; write ISO 8601 with an offset, as in "
            '2026-01-31T18:00:00+01:00, or "start" or "end" of the last run'
        ) from None


@frozen(kw_only=True)
class IntervalTrigger(ScheduleTrigger):
    """Fires at `from` and at equal intervals before and after it: of elapsed time, or of days and weeks.

    The phase is fixed by `from`, so a restart does not shift it. With `from = "start"` or `"end"` it fires at equal
    intervals after the start or the end of the last run.
    """

    type: ClassVar[str] = "interval"
    example: ClassVar[Mapping[str, Any]] = {"every": "5m"}

    every: timedelta = field(
        converter=_parse_every,
        validator=at_least(MIN_INTERVAL),
        metadata={"help": 'time from one start to the next; "1d" and "2w" are days of the calendar'},
    )
    from_: datetime | RunPoint = field(
        default=EPOCH,
        converter=_parse_start,
        alias="from_",
        metadata={"help": 'an instant at which it fires, before or after now; or "start" or "end" of the last run'},
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
        return summarize("every", self.every, f"from its {self.from_}" if isinstance(self.from_, RunPoint) else None)

    def run_point(self) -> RunPoint | None:
        """Return the point of the last run from which it counts, if `from` is one."""
        return self.from_ if isinstance(self.from_, RunPoint) else None

    def count_from(self, instant: datetime) -> ScheduleTrigger:
        """Return the schedule that fires each `every` after an instant, and not at or before it."""
        return CountedInterval(evolve(self, from_=instant), instant)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the next multiple of `every` from `from`."""
        begin = instant if isinstance(self.from_, RunPoint) else self.from_
        if isinstance(self.every, CalendarDays):
            return self._next_by_calendar(instant, begin, zone(self.timezone or "local"))
        steps = (instant - begin) // self.every + 1
        if steps > (_END - begin) // self.every:
            return None
        return begin + steps * self.every

    def _next_by_calendar(self, instant: datetime, begin: datetime, where: ZoneInfo) -> datetime | None:
        try:
            begin = EPOCH if begin == EPOCH else begin.astimezone(where)
            first = begin.replace(tzinfo=None, fold=0)
            wall = instant.astimezone(where).replace(tzinfo=None, fold=0)
            # The clock may show a time before or after that of a start at that instant, where it was set.
            steps = (wall - first) // self.every - 1
            while (start := find_instants(first + steps * self.every, where).instants[0]) <= instant:
                steps += 1
            return start
        except OverflowError:
            return None


@frozen
class CountedInterval(ScheduleTrigger):
    """An interval that counts from an instant, at which a run started or ended; nothing fires before that."""

    type: ClassVar[str] = "interval"

    interval: IntervalTrigger
    since: datetime

    @property
    def jitter(self) -> timedelta:  # type: ignore[override]
        """The maximum delay of a start."""
        return self.interval.jitter

    @property
    def timezone(self) -> str | None:
        """The time zone of days and weeks."""
        return self.interval.timezone

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the next instant after `since`."""
        return self.interval.next_after(max(instant, self.since))


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the interval trigger."""
    return [IntervalTrigger]
