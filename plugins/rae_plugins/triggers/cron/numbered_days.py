"""Days that are given by numbers alone: of the month, of months, and of the week.

That is most expressions that name days. croniter would find them as well, but its import takes 15 ms and a megabyte,
and a search by it several times as long. It stays for what takes more than a comparison: `L`, `W`, `#` and years.
"""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta

_DAY = timedelta(days=1)
_NUMBERS = re.compile(r"\*|\d+(,\d+)*")


class NumberedDays:
    """A line of croniter that has nothing but numbers, with the method of croniter that is used."""

    def __init__(self, days: frozenset[int], months: frozenset[int], weekdays: frozenset[int], years: int) -> None:
        """Sunday is 0. After this many `years` without a match there is none."""
        self._days, self._months, self._weekdays, self._years = days, months, weekdays, years

    def get_next(self, _: type[datetime], start_time: datetime) -> datetime:
        """Return the first match after a naive wall time. Raises ValueError or OverflowError if there is none."""
        found = datetime.combine(start_time, time()) + _DAY
        while found.month not in self._months or not self._has_day(found):
            if found.year - start_time.year > self._years:
                raise ValueError("no further date")
            if found.month in self._months:
                found += _DAY
            else:
                # Four days after a 28th the next month has come.
                found = (found.replace(day=28) + 4 * _DAY).replace(day=1)
        return found

    def _has_day(self, at: datetime) -> bool:
        return at.day in self._days and at.isoweekday() % 7 in self._weekdays


def make_numbered_days(words: Sequence[str], years: int) -> NumberedDays | None:
    """Return the days of a line of day of month, month and weekday; None if it has more than numbers."""
    if not all(map(_NUMBERS.fullmatch, words)):
        return None
    day, month, weekday = words
    return NumberedDays(
        _numbers(day, range(1, 32)),
        _numbers(month, range(1, 13)),
        frozenset(number % 7 for number in _numbers(weekday, range(7))),
        years,
    )


def _numbers(word: str, every: Sequence[int]) -> frozenset[int]:
    return frozenset(every if word == "*" else map(int, word.split(",")))
