"""The matches of an expression as a pure calendar: croniter, fed with naive wall times only.

croniter gets every field as an explicit list of values, so nothing depends on how it reads ranges, steps and names.
If an expression needs several of croniter's lines (day of month or day of week), the earliest match counts.
"""

from calendar import isleap, weekday
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from rae_plugins.triggers.cron.offset_days import make_offset_days

_SECOND = timedelta(seconds=1)
_MAX_YEARS_BETWEEN_MATCHES = 420
"""The Gregorian calendar repeats itself after 400 years."""
_SAMPLE_YEARS = range(2001, 2029)


class Calendar:
    """The matches of several croniter lines with explicit values, seconds first, the year last."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = [_make_line(line, _MAX_YEARS_BETWEEN_MATCHES) for line in lines]
        self._lock = Lock()

    def next_after(self, wall: datetime) -> datetime | None:
        """Return the first match strictly after the naive `wall`, or None if there is none before the year 10000."""
        with self._lock:  # a croniter object keeps its position
            matches = [_next(line, wall) for line in self._lines]
        return min((match for match in matches if match is not None), default=None)


def can_match(days: str, years: Collection[int]) -> bool:
    """Return whether a date of these years, or of any year if none are given, matches `days` (day, month, weekday)."""
    line = _make_line(f"0 0 {days}", 1)
    # A year's dates depend on its first weekday and on whether it is a leap year: at most 14 searches.
    kinds = {(isleap(year), weekday(year, 1, 1)): year for year in years or _SAMPLE_YEARS}
    for year in kinds.values():
        match = _next(line, datetime(year, 1, 1) - _SECOND)  # noqa: DTZ001 - wall times are naive
        if match is not None and match.year == year:
            return True
    return False


def _make_line(line: str, years: int) -> Any:
    words = line.split()
    counted = make_offset_days(words, 2 if len(words) == 5 else 3, years, _make_croniter)
    return counted or _make_croniter(line, years)


def _make_croniter(line: str, years: int) -> Any:
    from croniter import croniter  # lazy: 50 ms that only users of cron pay

    return croniter(line, day_or=False, second_at_beginning=True, max_years_between_matches=years)


def _next(line: Any, wall: datetime) -> datetime | None:
    try:
        match: datetime = line.get_next(datetime, start_time=wall)
    except (ValueError, OverflowError):  # croniter's "no further date", or the end of Python's calendar
        return None
    return match
