"""Events laid out year by year, on demand: what covers an instant, and when that changes.

A year is computed once, as often as it is asked for, so that rules without an end need no horizon and an answer no
more than a search in a sorted list.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta

from attrs import field, frozen

from rae_plugins.guards.calendar.events import Event, Span, spans

_DAY = timedelta(days=1)
_BEGIN, _END = datetime.min, datetime.max  # noqa: DTZ901 - wall times are naive
_YEARS_AHEAD = 5
"""How far a change is looked for; an answer holds so long at least."""
_MOST_YEARS = 32


@frozen
class _Year:
    """What overlaps a year of UTC: the spans, and their union in order, each stretch up to its end."""

    spans: tuple[Span, ...]
    starts: tuple[datetime, ...]
    ends: tuple[datetime, ...]

    def covering(self, instant: datetime) -> int | None:
        """The place of the stretch that covers the instant."""
        place = bisect_right(self.starts, instant) - 1
        return place if place >= 0 and instant < self.ends[place] else None


@frozen(eq=False)
class Book:
    """Events to be asked of. What it has computed it keeps, so of equal books one is enough."""

    events: tuple[Event, ...]
    _years: dict[int, _Year] = field(factory=dict, init=False, repr=False)

    def name_at(self, instant: datetime) -> str | None:
        """The name of an event that covers the instant, or None."""
        year = self._year(instant.astimezone(UTC).year)
        if year.covering(instant) is None:
            return None
        return next(span.name for span in year.spans if span.start <= instant < span.end)

    def changes_after(self, instant: datetime) -> datetime | None:
        """An instant after, until which it is the same whether an event covers; the next change if that is near."""
        at = instant.astimezone(UTC)
        if self._covers(at):
            while (end := self._end(at)) is not None:
                at = end
            return at if at > instant else None
        for number in range(at.year, min(at.year + _YEARS_AHEAD, MAXYEAR)):
            year = self._year(number)
            place = bisect_right(year.starts, at)
            if place < len(year.starts):
                return year.starts[place]
        return self._far(at)

    def _covers(self, instant: datetime) -> bool:
        return self._end(instant) is not None

    def _end(self, instant: datetime) -> datetime | None:
        """The end of the stretch that covers the instant, as far as its year knows."""
        year = self._year(instant.year)
        place = year.covering(instant)
        return None if place is None else year.ends[place]

    def _far(self, at: datetime) -> datetime | None:
        lasts = [event.last_start for event in self.events]
        known = [last for last in lasts if last is not None]
        horizon = at.year + _YEARS_AHEAD
        # A start on the wall may lie in the next year of UTC, which then hasn't been looked at.
        over = len(known) == len(lasts) and all(last.year + 1 < horizon for last in known)
        return None if over or horizon >= MAXYEAR else datetime(horizon, 1, 1, tzinfo=UTC)

    def _year(self, number: int) -> _Year:
        known = self._years.get(number)
        if known is None:
            if len(self._years) >= _MOST_YEARS:
                self._years.clear()
            known = self._years[number] = _laid_out(self.events, number)
        return known


def _laid_out(events: Sequence[Event], number: int) -> _Year:
    # A day more at both ends, since the walls of zones are up to a day apart from UTC.
    first = datetime(number, 1, 1)  # noqa: DTZ001 - wall times are naive
    last = datetime(number + 1, 1, 1) if number < MAXYEAR else _END  # noqa: DTZ001 - as above
    found: list[Span] = []
    for event in events:
        low = _moved(first, -event.length.most - _DAY)
        found.extend(spans(event, low, _moved(last, _DAY)))
    start, end = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
    kept = sorted((span for span in found if span.end > start and span.start < end), key=lambda span: span.start)
    return _Year(tuple(kept), *_union(kept))


def _union(ordered: Sequence[Span]) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """Starts and ends of the stretches that spans cover together."""
    starts: list[datetime] = []
    ends: list[datetime] = []
    for span in ordered:
        if ends and span.start <= ends[-1]:
            ends[-1] = max(ends[-1], span.end)
        else:
            starts.append(span.start)
            ends.append(span.end)
    return tuple(starts), tuple(ends)


def _moved(wall: datetime, by: timedelta) -> datetime:
    try:
        return wall + by
    except OverflowError:  # at an end of Python's calendar
        return _END if by > timedelta(0) else _BEGIN
