"""Days counted from the end of the month: `L-3`, and `L-3W` for the working day nearest to it, as in Quartz.

croniter knows the last day of a month only, and a day so many days before it is that one moved by as many days: so the
last days are asked of croniter, and the results are moved, checked and put in order here.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

MAX_OFFSET_DAYS = 30
"""Days before the last of a month of 31 days at which its first one lies."""

_TOKEN = re.compile(r"l-(\d+)(w?)")
_MOVED_BY_WEEKEND = timedelta(days=3)
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6


class OffsetDays:
    """A line of croniter with a day counted from the end, with the method of croniter that is used."""

    def __init__(
        self, line: Any, years: int, offset: int, weekdays: frozenset[int] | None, *, is_working_day: bool
    ) -> None:
        """`line` matches last days; `weekdays` are those that a date must have (Sunday is 0), None for all.

        After this many `years` without a match there is none.
        """
        self._line = line
        self._years = years
        self._offset = timedelta(days=offset)
        self._weekdays = weekdays
        self._is_working_day = is_working_day

    def get_next(self, kind: type[datetime], start_time: datetime) -> datetime:
        """Return the first match after a naive wall time. Raises what croniter raises if there is none."""
        last = start_time + self._offset - (_MOVED_BY_WEEKEND if self._is_working_day else timedelta(0))
        while True:
            last = self._line.get_next(kind, start_time=last)
            found = last - self._offset
            if found.month != last.month:
                # A month that is too short. Nothing is nearer than the next one.
                last = last.replace(hour=23, minute=59, second=59)
                self._check_distance(last, start_time)
                continue
            moved = _nearest_working_day(found) if self._is_working_day else found
            if moved > start_time and (self._weekdays is None or moved.isoweekday() % 7 in self._weekdays):
                return moved
            self._check_distance(last, start_time)

    def _check_distance(self, reached: datetime, start: datetime) -> None:
        if reached.year - start.year > self._years:
            raise ValueError("no further date")


def make_offset_days(
    words: Sequence[str], day: int, years: int, make_line: Callable[[str, int], Any]
) -> OffsetDays | None:
    """Return the line of these fields if the one at index `day` is counted from the end, else None."""
    match = _TOKEN.fullmatch(words[day])
    if match is None:
        return None
    weekday = words[day + 2]
    weekdays = None if weekday == "*" else frozenset(int(number) % 7 for number in weekday.split(","))
    line = make_line(" ".join((*words[:day], "l", words[day + 1], "*", *words[day + 3 :])), years)
    return OffsetDays(line, years, int(match[1]), weekdays, is_working_day=bool(match[2]))


def _nearest_working_day(at: datetime) -> datetime:
    """Return the same time at the nearest day from Monday to Friday of the same month."""
    if at.weekday() == _SATURDAY:
        return at + timedelta(days=-1 if at.day > 1 else 2)
    if at.weekday() == _SUNDAY:
        is_last = at.day == monthrange(at.year, at.month)[1]
        return at + timedelta(days=-2 if is_last else 1)
    return at
