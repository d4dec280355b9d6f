"""The matches of an expression on the wall clock, as a pure calendar: the days it names, and times on each of them.

croniter finds the days, but for those that are given by numbers alone. It is fed with naive dates only, and gets every
field as an explicit list of values, so nothing depends on how it reads ranges, steps and names. If the days need
several lines (day of month or day of week), the earliest match counts. The times of day are the same on every day, so
they are looked up here.
"""

from bisect import bisect_left
from calendar import isleap, weekday
from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any

from attrs import frozen

from rae_plugins.triggers.cron.numbered_days import make_numbered_days
from rae_plugins.triggers.cron.offset_days import make_offset_days

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_MAX_YEARS_BETWEEN_MATCHES = 420
"""The Gregorian calendar repeats itself after 400 years."""
_SAMPLE_YEARS = range(2001, 2029)
_ANY_DAY = "* * *"
_MAX_SHARED = 16384


class MatchingDays:
    """The days that match any of several lines of day of month, month, weekday, and a year where one is given."""

    def __init__(self, lines: Sequence[str], years: str = "") -> None:
        self._is_every_day = _ANY_DAY in lines and not years
        self._lines = None if self._is_every_day else [_make_line(line, years) for line in lines]
        self._lock = Lock()
        self._latest = (date.max, date.min)

    def find_from(self, day: date) -> date | None:
        """Return the first match on a day or after it, or None if there is none before the year 10000."""
        if self._lines is None:
            return day
        asked, found = self._latest
        if asked <= day <= found:
            return found
        midnight = datetime.combine(day, time())
        with self._lock:  # a croniter object keeps its position
            matches = [_next(line, midnight - _SECOND) for line in self._lines]
        first = min((match for match in matches if match is not None), default=None)
        if first is None:
            return None
        # What lies between the question and its answer needn't be asked again.
        self._latest = (day, first.date())
        return first.date()


@lru_cache(maxsize=_MAX_SHARED)
def days_of(lines: tuple[str, ...], years: str) -> MatchingDays:
    """Return the days of these lines; expressions with the same days share them."""
    return MatchingDays(lines, years)


@frozen(eq=False)
class Calendar:
    """The matches of an expression: times of day, each field in ascending order, on its days."""

    days: MatchingDays
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]

    def next_after(self, wall: datetime) -> datetime | None:
        """Return the first match strictly after the naive `wall`, or None if there is none before the year 10000."""
        start = (wall.replace(microsecond=0) if wall.microsecond else wall) + _SECOND
        today = start.date()
        day = self.days.find_from(today)
        found = self._find_time_from(start.time()) if day == today else None
        if found is None and day == today:
            day = self.days.find_from(today + _DAY)
        if day is None:
            return None
        return datetime.combine(day, found or time(self.hours[0], self.minutes[0], self.seconds[0]))

    def _find_time_from(self, start: time) -> time | None:
        """Return the first match of a day at a time or after it, or None."""
        hour, minute, second = start.hour, start.minute, start.second
        if hour in self.hours:
            if minute in self.minutes and second <= self.seconds[-1]:
                return time(hour, minute, self.seconds[bisect_left(self.seconds, second)])
            if minute < self.minutes[-1]:
                return time(hour, self.minutes[bisect_left(self.minutes, minute + 1)], self.seconds[0])
        if hour < self.hours[-1]:
            return time(self.hours[bisect_left(self.hours, hour + 1)], self.minutes[0], self.seconds[0])
        return None


@lru_cache(maxsize=_MAX_SHARED)
def can_match(days: str, years: Collection[int]) -> bool:
    """Return whether a date of these years, or of any year if none are given, matches `days` (day, month, weekday)."""
    if days == _ANY_DAY:
        return True
    line = _make_line(days, "", 1)
    # A year's dates depend on its first weekday and on whether it is a leap year: at most 14 searches.
    kinds = {(isleap(year), weekday(year, 1, 1)): year for year in years or _SAMPLE_YEARS}
    for year in kinds.values():
        match = _next(line, datetime(year, 1, 1) - _SECOND)  # noqa: DTZ001 - wall times are naive
        if match is not None and match.year == year:
            return True
    return False


def _make_line(days: str, years: str, max_years: int = _MAX_YEARS_BETWEEN_MATCHES) -> Any:
    """Return croniter's line for midnight on these days, or what finds the same."""
    if not years and (numbered := make_numbered_days(days.split(), max_years)) is not None:
        return numbered
    words = f"0 0 0 {days} {years}".split() if years else f"0 0 {days}".split()
    counted = make_offset_days(words, 3 if years else 2, max_years, _make_croniter)
    return counted or _make_croniter(" ".join(words), max_years)


def _make_croniter(line: str, years: int) -> Any:
    from croniter import croniter  # lazy: 50 ms that only users of L, W, # and years pay

    return croniter(line, day_or=False, second_at_beginning=True, max_years_between_matches=years)


def _next(line: Any, wall: datetime) -> datetime | None:
    try:
        match: datetime = line.get_next(datetime, start_time=wall)
    except (ValueError, OverflowError):  # croniter's "no further date", or the end of Python's calendar
        return None
    return match
