"""Spans of a day by the local clock, as in "22:00-07:00" and "Sat,Sun 00:00-24:00", and when they end."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from attrs import frozen

from rae_auto.model.primitives.formatting import quote

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:(?P<days>[A-Za-z,\-]+) )?(?P<begin>\d\d?:\d\d) ?- ?(?P<end>\d\d?:\d\d)")
_MINUTES_A_DAY = 24 * 60
_MAX_LINKED_SPANS = 15
"""Number of spans that follow each other without a gap and are seen as one."""


@frozen
class DailySpan:
    """A span from one time of day to another, in minutes; one that isn't later ends on the next day.

    `days` are the weekdays on which it begins, Monday is 0.
    """

    begin: int
    end: int
    days: frozenset[int]

    def find_end(self, instant: datetime, zone: tzinfo) -> datetime | None:
        """Return when the span ends (UTC), if the instant is in it."""
        today = instant.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            if day.weekday() in self.days:
                end = _at(day, self.end if self.end > self.begin else self.end + _MINUTES_A_DAY, zone)
                if _at(day, self.begin, zone) <= instant < end:
                    return end
        return None


def _at(day: date, minutes: int, zone: tzinfo) -> datetime:
    # A time that the clock skips is that long after the last one before, as the first one of two.
    local = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001 - the zone follows
    return local.replace(tzinfo=zone).astimezone(UTC)


def find_end_of_spans(spans: Iterable[DailySpan], instant: datetime, zone: tzinfo) -> datetime | None:
    """Return when the spans end in which an instant is, those included that follow without a gap; None outside."""
    spans, end = tuple(spans), None
    for _ in range(_MAX_LINKED_SPANS):
        ends = [found for span in spans if (found := span.find_end(end or instant, zone)) is not None]
        if not ends:
            break
        end = max(ends)
    return end


@lru_cache(maxsize=256)
def parse_daily_span(text: str) -> DailySpan:
    """Parse "22:00-07:00", or with days, "Mon-Fri 22:00-07:00" and "Sat,Sun 00:00-24:00". Errors: ValueError."""
    found = _SPAN.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        begin, end = _minutes(found["begin"]), _minutes(found["end"])
        days = _days(found["days"].lower()) if found["days"] else frozenset(range(7))
        if begin in (end, _MINUTES_A_DAY):
            raise ValueError
    except ValueError:
        example = 'write "22:00-07:00", or with days "Sat,Sun 00:00-24:00"'
        raise ValueError(f"invalid span of the day {quote(text[:60])}; {example}") from None
    return DailySpan(begin, end, days)


def _minutes(clock: str) -> int:
    hours, minutes = map(int, clock.split(":"))
    if minutes > 59 or hours * 60 + minutes > _MINUTES_A_DAY:
        raise ValueError
    return hours * 60 + minutes


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        days.update(day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1))
    return frozenset(days)
