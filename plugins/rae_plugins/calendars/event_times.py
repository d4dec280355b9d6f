"""Instants at which events of a calendar begin or end, computed a year at a time, because rules may have no end.

An offset goes by the clock of the event's zone: six hours before a day are 18:00 of the day before, also where the
clock is set in that night.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta
from enum import StrEnum

from attrs import field, frozen

from rae_plugins.calendars.events import CalendarEvent, EventOccurrence, list_occurrences
from rae_plugins.machine.wall_clock import first_instant_of, wall_time_at

SEARCH_YEARS = 30
"""Years in which the next event is searched: leap days fall on each weekday once in 28 years."""

_MAX_CACHED_YEARS = 64
_DAY = timedelta(days=1)


class Edge(StrEnum):
    """The end of an event that counts."""

    START = "start"
    END = "end"


@frozen
class EventTime:
    """An instant, and the occurrence of an event that it belongs to."""

    at: datetime
    occurrence: EventOccurrence


@frozen(eq=False)
class EventTimes:
    """The instants of some events."""

    events: tuple[CalendarEvent, ...]
    edge: Edge
    offset: timedelta
    counts: Callable[[CalendarEvent], bool] = lambda _: True
    _years: dict[int, tuple[EventTime, ...]] = field(factory=dict, init=False, repr=False)
    _first_year: int = field(init=False, repr=False)
    """A year before which nothing comes."""
    _last_year: int | None = field(init=False, repr=False)
    """A year after which nothing comes; None where that isn't known."""

    def __attrs_post_init__(self) -> None:
        """Find out when the first event begins and the last one ends, so that nothing else is searched."""
        slack = abs(self.offset) + timedelta(days=2)
        starts = [_shift(min([event.start, *event.extra_starts]), -slack).year for event in self.events]
        object.__setattr__(self, "_first_year", min(starts, default=MAXYEAR))
        ends = [
            None if (last := event.last_start) is None else _shift(last, event.length.upper_bound + slack).year
            for event in self.events
        ]
        known = [end for end in ends if end is not None]
        object.__setattr__(self, "_last_year", max(known, default=0) if len(known) == len(ends) else None)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first instant after another, in UTC; None if `SEARCH_YEARS` have none, from the first event on."""
        at = instant.astimezone(UTC)
        first = max(at.year, self._first_year)
        last = first + SEARCH_YEARS if self._last_year is None else min(self._last_year, first + SEARCH_YEARS)
        for number in range(first, min(last, MAXYEAR) + 1):
            times = self._year(number)
            index = bisect_right(times, at, key=lambda time: time.at)
            if index < len(times):
                return times[index].at
        return None

    def find_at(self, instant: datetime) -> list[EventOccurrence]:
        """Return the occurrences that belong to an instant."""
        at = instant.astimezone(UTC)
        return [time.occurrence for time in self._year(at.year) if time.at == at]

    def _year(self, number: int) -> tuple[EventTime, ...]:
        times = self._years.get(number)
        if times is None:
            if len(self._years) >= _MAX_CACHED_YEARS:
                self._years.clear()
            times = self._years[number] = tuple(sorted(self._expand(number), key=lambda time: time.at))
        return times

    def _expand(self, number: int) -> Iterator[EventTime]:
        first = datetime(number, 1, 1)  # noqa: DTZ001 - wall times are naive
        last = datetime(number + 1, 1, 1) if number < MAXYEAR else datetime.max  # noqa: DTZ001, DTZ901 - as above
        for event in self.events:
            if not self.counts(event):
                continue
            # A day more at both ends, because wall clocks are up to a day apart from UTC.
            before = (event.length.upper_bound if self.edge is Edge.END else timedelta(0)) + self.offset + _DAY
            for occurrence in list_occurrences(event, _shift(first, -before), _shift(last, _DAY - self.offset)):
                at = self._time_of(occurrence, event)
                if at is not None and at.year == number:
                    yield EventTime(at, occurrence)

    def _time_of(self, occurrence: EventOccurrence, event: CalendarEvent) -> datetime | None:
        edge = occurrence.start if self.edge is Edge.START else occurrence.end
        if not self.offset:
            return edge
        try:
            return first_instant_of(wall_time_at(edge, event.zone) + self.offset, event.zone)
        except OverflowError:  # at an end of Python's calendar
            return None


def _shift(wall: datetime, by: timedelta) -> datetime:
    try:
        return wall + by
    except OverflowError:  # at an end of Python's calendar
        return datetime.max if by > timedelta(0) else datetime.min  # noqa: DTZ901 - wall times


def describe(occurrences: Sequence[EventOccurrence]) -> dict[str, object]:
    """Return the event data of occurrences that belong to one instant, as JSON: the first, and a list of all."""
    documents = [
        {
            "summary": one.event.name,
            "description": one.event.description,
            "location": one.event.location,
            "uid": one.event.uid,
            "start": wall_time_at(one.start, one.event.zone).replace(tzinfo=one.event.zone).isoformat(),
            "end": wall_time_at(one.end, one.event.zone).replace(tzinfo=one.event.zone).isoformat(),
            "all_day": one.event.is_all_day,
        }
        for one in occurrences
    ]
    return {"summary": documents[0]["summary"], "events": documents} if documents else {}
