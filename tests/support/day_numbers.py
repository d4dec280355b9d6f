"""The numbers of a day, from instants at which something happens."""

from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from rae_auto.views.screens.day_grid import DayNumbers, count_minutes, day_bounds

Counts = Mapping[datetime, int]
NONE: Counts = {}


def day_numbers(
    day: date, zone: ZoneInfo, runs: Counts = NONE, bad: Counts = NONE, skipped: Counts = NONE
) -> DayNumbers:
    """Return the numbers of a day, by default of one on which nothing has happened."""
    begin, end = day_bounds(day, zone)
    return DayNumbers(*(count_minutes(one, begin, end) for one in (runs, bad, skipped)))
