"""Index of events by year, computed on demand: which event covers an instant, and when that changes.

Rules may have no end, so events can't be expanded once and for all. Instead each year of UTC is expanded when it is
first asked for, into sorted periods and their union. An answer is then a binary search, and no horizon is needed.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta

from attrs import field, frozen

from rae_plugins.calendars.events import BusyPeriod, CalendarEvent, busy_periods

_DAY = timedelta(days=1)
_BEGIN, _END = datetime.min, datetime.max  # noqa: DTZ901 - wall times are naive
_SEARCH_YEARS = 5
"""Years in which a change is searched; without one, the answer holds at least that long."""
_MAX_CACHED_YEARS = 32


@frozen
class _YearIndex:
    """The periods that overlap a year of UTC, and the sorted starts and ends of their union."""

    periods: tuple[BusyPeriod, ...]
    starts: tuple[datetime, ...]
    ends: tuple[datetime, ...]

    def find_covering(self, instant: datetime) -> int | None:
        """Return the index of the part of the union that covers the instant."""
        index = bisect_right(self.starts, instant) - 1
        return index if index >= 0 and instant < self.ends[index] else None


@frozen(eq=False)
class EventIndex:
    """Events of a calendar, which can be asked for an instant."""

    events: tuple[CalendarEvent, ...]
    _years: dict[int, _YearIndex] = field(factory=dict, init=False, repr=False)

    def name_at(self, instant: datetime) -> str | None:
        """Return the name of an event that covers the instant; None if none does."""
        year = self._year(instant.astimezone(UTC).year)
        if year.find_covering(instant) is None:
            return None
        return next(period.name for period in year.periods if period.start <= instant < period.end)

    def changes_after(self, instant: datetime) -> datetime | None:
        """Return an instant until which the answer stays the same: the next change, if one is near."""
        at = instant.astimezone(UTC)
        if self._find_end(at) is not None:
            while (end := self._find_end(at)) is not None and at.year < instant.year + _SEARCH_YEARS:
                at = end
            return at if at > instant else None
        for number in range(at.year, min(at.year + _SEARCH_YEARS, MAXYEAR)):
            year = self._year(number)
            index = bisect_right(year.starts, at)
            if index < len(year.starts):
                return year.starts[index]
        return self._end_of_search(at)

    def _find_end(self, instant: datetime) -> datetime | None:
        """Return the end of what covers the instant, as far as its year shows."""
        year = self._year(instant.year)
        index = year.find_covering(instant)
        return None if index is None else year.ends[index]

    def _end_of_search(self, at: datetime) -> datetime | None:
        """Return the instant up to which there is no change; None if there is none at all."""
        last_starts = [event.last_start for event in self.events]
        horizon = at.year + _SEARCH_YEARS
        # A wall time may lie in the next year of UTC, which then hasn't been searched.
        is_over = all(last is not None and last.year + 1 < horizon for last in last_starts)
        return None if is_over or horizon >= MAXYEAR else datetime(horizon, 1, 1, tzinfo=UTC)

    def _year(self, number: int) -> _YearIndex:
        year = self._years.get(number)
        if year is None:
            if len(self._years) >= _MAX_CACHED_YEARS:
                self._years.clear()
            year = self._years[number] = _expand_year(self.events, number)
        return year


def _expand_year(events: Sequence[CalendarEvent], number: int) -> _YearIndex:
    # A day more at both ends, because wall clocks are up to a day apart from UTC.
    first = datetime(number, 1, 1)  # noqa: DTZ001 - wall times are naive
    last = datetime(number + 1, 1, 1) if number < MAXYEAR else _END  # noqa: DTZ001 - as above
    periods: list[BusyPeriod] = []
    for event in events:
        low = _shift(first, -event.length.upper_bound - _DAY)
        periods.extend(busy_periods(event, low, _shift(last, _DAY)))
    start, end = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
    overlapping = [period for period in periods if period.end > start and period.start < end]
    overlapping.sort(key=lambda period: period.start)
    return _YearIndex(tuple(overlapping), *_unite(overlapping))


def _unite(ordered: Sequence[BusyPeriod]) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """Return the starts and ends of the union of periods that are ordered by their start."""
    starts: list[datetime] = []
    ends: list[datetime] = []
    for period in ordered:
        if ends and period.start <= ends[-1]:
            ends[-1] = max(ends[-1], period.end)
        else:
            starts.append(period.start)
            ends.append(period.end)
    return tuple(starts), tuple(ends)


def _shift(wall: datetime, by: timedelta) -> datetime:
    try:
        return wall + by
    except OverflowError:  # at an end of Python's calendar
        return _END if by > timedelta(0) else _BEGIN
