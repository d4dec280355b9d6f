"""Events of a calendar, which may recur, and the periods that they cover.

dateutil expands the rules of RFC 5545. It is given naive wall times only, and neither COUNT nor UNTIL: both are applied
here, because UNTIL may be in another zone. DTSTART is an occurrence whether or not the rule matches it.

https://datatracker.ietf.org/doc/html/rfc5545#section-3.8.5.3
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from itertools import islice

from attrs import frozen

from rae_plugins.machine.wall_clock import first_instant_of

_ZERO = timedelta(0)

_PERIOD_DAYS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 146_097, "YEARLY": 146_097}
"""Days after which a rule with an interval of 1 repeats itself."""

_DAYS_BEFORE = 8


@frozen
class EventLength:
    """The length of an event: days on the calendar, and then elapsed time."""

    days: int = 0
    exact: timedelta = _ZERO

    @property
    def upper_bound(self) -> timedelta:
        """At least as long as the event, however the clocks are set."""
        return timedelta(days=self.days + 1) + self.exact


@frozen
class RecurrenceRule:
    """The text of an RRULE without COUNT and UNTIL; `until` is the last wall time, included."""

    text: str
    count: int | None = None
    until: datetime | None = None


@frozen
class CalendarEvent:
    """An event and its recurrence, all in naive wall times of its zone."""

    name: str
    start: datetime
    zone: tzinfo
    length: EventLength
    rules: tuple[RecurrenceRule, ...] = ()
    extra_starts: frozenset[datetime] = frozenset()
    excluded_starts: frozenset[datetime] = frozenset()
    excluded_days: frozenset[date] = frozenset()
    is_all_day: bool = False
    uid: str = ""
    description: str = ""
    location: str = ""

    @property
    def last_start(self) -> datetime | None:
        """The last start, or a later time; None where there is no last one, or it isn't known."""
        ends = [rule.until for rule in self.rules]
        known = [end for end in ends if end is not None]
        return None if len(known) < len(ends) else max([self.start, *self.extra_starts, *known])


@frozen
class BusyPeriod:
    """A period of time, the end excluded, and the name of its event."""

    start: datetime
    end: datetime
    name: str


@frozen
class EventOccurrence:
    """An occurrence of an event: when it begins and ends, which may be the same instant."""

    start: datetime
    end: datetime
    event: CalendarEvent


def busy_periods(event: CalendarEvent, low: datetime, high: datetime) -> Iterator[BusyPeriod]:
    """Yield the periods that start between the wall times `low` (included) and `high` (excluded)."""
    for one in list_occurrences(event, low, high):
        if one.end > one.start:
            yield BusyPeriod(one.start, one.end, event.name)


def list_occurrences(event: CalendarEvent, low: datetime, high: datetime) -> Iterator[EventOccurrence]:
    """Yield the occurrences that start between the wall times `low` (included) and `high` (excluded)."""
    for wall in list_starts(event, low, high):
        try:
            start = first_instant_of(wall, event.zone)
            end = first_instant_of(wall + timedelta(days=event.length.days), event.zone) + event.length.exact
        except OverflowError:  # at an end of Python's calendar, the years 1 and 9999
            continue
        yield EventOccurrence(start, end, event)


def list_starts(event: CalendarEvent, low: datetime, high: datetime) -> list[datetime]:
    """Return the wall times from `low` (included) to `high` (excluded) at which the event starts."""
    starts = {event.start, *event.extra_starts}
    for rule in event.rules:
        starts.update(wall for wall in _expand(rule, _near(rule, event.start, low), high) if wall >= low)
    return sorted(
        wall
        for wall in starts - event.excluded_starts
        if low <= wall < high and not (event.excluded_days and wall.date() in event.excluded_days)
    )


def _near(rule: RecurrenceRule, start: datetime, low: datetime) -> datetime:
    """Return a start from which a rule has the same occurrences from `low` on, at most a few hundred before it.

    dateutil expands each rule from its start: a daily one took five seconds to reach the year 9999. A rule goes by the
    distance from its start in days or weeks. By months and years it also goes by the calendar, which repeats itself
    after 400 years, in days of the week as well.
    """
    if rule.count is not None:
        return start
    parts = dict(part.split("=", 1) for part in rule.text.upper().split(";"))
    days = _PERIOD_DAYS[parts["FREQ"]] * int(parts.get("INTERVAL", "1"))
    # A day or week that begins before `low` may have occurrences after it.
    periods = ((low - start).days - _DAYS_BEFORE) // days
    return start + timedelta(days=days * periods) if periods > 0 else start


def has_occurrence(rule: str, start: datetime) -> bool:
    """Return whether the text of a rule matches any time. Errors: ValueError with dateutil's explanation.

    A rule without a match is searched up to the year 9999 at each expansion, so it must be refused when it is read;
    the search takes some seconds, once.
    """
    end = datetime.max  # noqa: DTZ901 - a wall time
    return next(_expand(RecurrenceRule(rule), start, end), None) is not None


def _expand(rule: RecurrenceRule, start: datetime, high: datetime) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr  # lazy: start-up

    until = high if rule.until is None else min(high, rule.until)
    expansion = rrulestr(rule.text, dtstart=start).replace(until=until)
    return islice(iter(expansion), rule.count)
