"""What a calendar holds: events, that may come again and again, and the spans of time that they cover.

dateutil computes what a rule of RFC 5545 means. It is given naive wall times only, and neither COUNT nor UNTIL: these
are counted and compared here, since UNTIL may stand in another zone. DTSTART is an occurrence whether or not the rule
names it.

https://datatracker.ietf.org/doc/html/rfc5545#section-3.8.5.3
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from itertools import islice

from attrs import frozen

from rae_plugins.machine.wall_clock import first_shown

_NOTHING = timedelta(0)


@frozen
class Length:
    """How long an event takes: days on the calendar, and then elapsed time."""

    days: int = 0
    exact: timedelta = _NOTHING

    @property
    def most(self) -> timedelta:
        """At least as long, however the clocks are set."""
        return timedelta(days=self.days + 1) + self.exact


@frozen
class Rule:
    """A recurrence: the text of an RRULE without COUNT and UNTIL; `until` is the last wall time, included."""

    text: str
    count: int | None = None
    until: datetime | None = None


@frozen
class Event:
    """An event and how it comes again, all in naive wall times of its zone."""

    name: str
    start: datetime
    zone: tzinfo
    length: Length
    rules: tuple[Rule, ...] = ()
    more: frozenset[datetime] = frozenset()
    less: frozenset[datetime] = frozenset()
    less_days: frozenset[date] = frozenset()

    @property
    def last_start(self) -> datetime | None:
        """The last start, or a later time; None where that isn't known or there is none."""
        ends = [rule.until for rule in self.rules]
        known = [end for end in ends if end is not None]
        return None if len(known) < len(ends) else max([self.start, *self.more, *known])


@frozen
class Span:
    """A stretch of time, the end excluded, and the name of its event."""

    start: datetime
    end: datetime
    name: str


def spans(event: Event, low: datetime, high: datetime) -> Iterator[Span]:
    """The occurrences that begin on the wall between `low` and `high`."""
    for wall in starts(event, low, high):
        try:
            start = first_shown(wall, event.zone)
            end = first_shown(wall + timedelta(days=event.length.days), event.zone) + event.length.exact
        except OverflowError:  # at an end of Python's calendar, the years 1 and 9999
            continue
        if end > start:
            yield Span(start, end, event.name)


def starts(event: Event, low: datetime, high: datetime) -> list[datetime]:
    """The wall times from `low` and before `high` at which the event begins."""
    found = {event.start, *event.more}
    for rule in event.rules:
        found.update(wall for wall in _recurring(rule, event.start, high) if wall >= low)
    return sorted(
        wall
        for wall in found - event.less
        if low <= wall < high and not (event.less_days and wall.date() in event.less_days)
    )


def ever_comes(rule: str, start: datetime) -> bool:
    """Whether the text of a rule names any time; ValueError with the library's words where it can't be understood.

    One that never does is searched for up to the year 9999 each time, so it must be refused: some seconds, once.
    """
    end = datetime.max  # noqa: DTZ901 - a wall time
    return next(_recurring(Rule(rule), start, end), None) is not None


def _recurring(rule: Rule, start: datetime, high: datetime) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr  # loaded for those who have rules

    until = high if rule.until is None else min(high, rule.until)
    every = rrulestr(rule.text, dtstart=start).replace(until=until)
    return islice(iter(every), rule.count)
