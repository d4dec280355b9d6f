"""Parser of iCalendar files (RFC 5545): the events that cover time, and nothing else.

An event without an end takes a day if it begins with a date, and no time otherwise. Cancelled events don't count.
Whether an event counts as busy (TRANSP) is ignored, because calendars of holidays mark their days as free.

An event that is not understood is skipped and reported with its name and its line: the others still count. What is
wrong in lines that don't matter here, such as descriptions, is ignored. Where programs disagree with RFC 5545 in a way
that can be understood (an empty RRULE, a date with a time, blanks in lists), it is read as they mean it.


Why there is a parser here
==========================

A well-kept library beats our own code, so icalendar 7.3 with recurring-ical-events 3.8 was measured against this
parser, on a 1 MB file of 5,000 events, on the files of shared/trials/ics, and on the lines of test_ical_parser.py
(2026-11, Python 3.11, two cores):

                                      this parser      icalendar, recurring-ical-events
    import                            20 ms, 0.1 MB    125 to 220 ms, 10 MB (a fifth of the daemon's budget)
    parse 1 MB                        1.2 to 1.5 s     2.3 to 2.7 s
    question about a day              0.1 s a year,    0.7 s each time (no index; a guard is asked at each decision
                                      then microseconds  and for the next change)
    RRULE with INTERVAL=0             skipped, said   never returns: the daemon would hang
    unknown time zone, or one in      skipped, said;  read as a time without a zone, without a word
    lower case                        found
    blanks in a list of an RRULE      read             an error for the whole file
    or EXDATE
    a start that isn't a date         skipped, said   an error for the whole file
    RECURRENCE-ID as a date in a      replaces         does not replace: both count
    series of times
    DTEND before DTSTART              skipped, said   read in some way
    place of a problem                file and line    none; the property's name at most

The decisive points are the third and those below it. A guard that misreads a calendar starts a deployment on a holiday,
or never starts the backup, without a word. So what is not understood must be named with its line, and an expansion must
end. Both would have to be built around the library, which then would save little of the code below: dateutil expands
the rules and reads VTIMEZONE in either case. The price is that RANGE=THISANDFUTURE, which the library reads, is not.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from attrs import evolve, field, frozen

from rae_auto.model.primitives.escaping import shorten_line
from rae_plugins.calendars.content_lines import (
    CalendarSyntaxError,
    ContentLine,
    parse_content_lines,
)
from rae_plugins.calendars.events import CalendarEvent, EventLength
from rae_plugins.calendars.recurrence_rules import parse_rule
from rae_plugins.calendars.written_times import WrittenTime, parse_duration, parse_time, parse_times
from rae_plugins.calendars.zone_table import ZoneTable
from rae_plugins.machine.wall_clock import first_instant_of

_MATTERING = {
    *("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"),
    *("UID", "SEQUENCE", "STATUS"),
}
"""Properties of an event that decide what it covers; an invalid line of another one is ignored."""

MAX_DETAIL_CHARACTERS = 2000
"""Characters of a description, for instance, that are kept."""

_DETAILS = ("UID", "DESCRIPTION", "LOCATION")
_MIDNIGHT = datetime.min.time()


@frozen
class BadEvent:
    """An event that was skipped: what it is called, and why."""

    name: str
    error: CalendarSyntaxError


@frozen
class ParsedCalendar:
    """The events of a file, and those that were skipped."""

    events: tuple[CalendarEvent, ...]
    bad_events: tuple[BadEvent, ...] = ()


@frozen
class _Component:
    """The lines of a component, without those of nested components."""

    begin: ContentLine
    lines: list[ContentLine] = field(factory=list)
    error: CalendarSyntaxError | None = None
    """Another end than its own, if it has one."""

    def ended_by(self, line: ContentLine) -> "_Component":
        """Return it with an error if a line is not its end."""
        found = line.value.strip().upper()
        if found == self.kind:
            return self
        return evolve(
            self, error=line.error(f"found {shorten_line(found, 20)}, expected {shorten_line(self.kind, 20)}")
        )

    @property
    def kind(self) -> str:
        return self.begin.value.strip().upper()

    def find_one(self, name: str) -> ContentLine | None:
        lines = self.find_all(name)
        if any(line.raw != lines[0].raw for line in lines):
            raise lines[1].error("given twice in one event")
        return lines[0] if lines else None

    def find_all(self, name: str) -> list[ContentLine]:
        """Return the lines of a property; an empty value is none. Errors: CalendarSyntaxError for an invalid one."""
        return [line for line in self.lines if line.name == name and line.check().value.strip()]

    def text_of(self, name: str) -> str:
        return next((line.text for line in self.lines if line.name == name), "")

    @property
    def title(self) -> str:
        return " ".join(self.text_of("SUMMARY").split())

    @property
    def sequence(self) -> int:
        text = self.text_of("SEQUENCE").strip()
        return int(text) if text.isdecimal() and len(text) < 10 else 0


@frozen
class _EventSeries:
    """An event that may recur, with its UID, whether it begins with a date, and the number of its version."""

    uid: str
    event: CalendarEvent
    is_date: bool
    sequence: int = 0

    def with_details_of(self, component: _Component) -> "_EventSeries":
        """Return the event with the texts that the file has about it, each of bounded length."""
        uid, description, location = (component.text_of(name)[:MAX_DETAIL_CHARACTERS] for name in _DETAILS)
        detailed = evolve(self.event, is_all_day=self.is_date, uid=uid, description=description, location=location)
        return evolve(self, event=detailed)

    def without(self, replaced: Iterable[WrittenTime]) -> CalendarEvent:
        """Return the event without the occurrences that other events replace."""
        starts, days = set(), set()
        for time in replaced:
            if self.is_date or time.is_date:
                days.add(self._start_of(time).date())
            else:
                starts.add(self._start_of(time))
        return evolve(
            self.event,
            excluded_starts=self.event.excluded_starts | starts,
            excluded_days=self.event.excluded_days | days,
        )

    def withdraws(self, replacement: "_Replacement") -> bool:
        """Return whether this is a newer version than an event that replaces an occurrence, and excludes that one.

        In the same version the event counts: some programs exclude what they replace.
        """
        start, event = self._start_of(replacement.time), self.event
        is_excluded = start in event.excluded_starts or start.date() in event.excluded_days
        return self.sequence > replacement.sequence and is_excluded

    def _start_of(self, time: WrittenTime) -> datetime:
        """Return the start of the occurrence that a time names, in the zone of the series."""
        # A date that is written as a time is midnight, in UTC too.
        is_day = (self.is_date or time.is_date) and time.wall.time() == _MIDNIGHT
        return time.wall if is_day else time.wall_in(self.event.zone)


@frozen
class _Replacement:
    """The replacement of one occurrence of a series: its events, none if that is cancelled, and its version."""

    uid: str
    time: WrittenTime
    sequence: int
    events: tuple[CalendarEvent, ...]


def parse_calendar(text: str, home: tzinfo, *, with_details: bool = False) -> ParsedCalendar:
    """Return the events of a file; times without a zone are those of `home`.

    `with_details`: the events have their descriptions and so on, not only their names.

    Errors: CalendarSyntaxError where the file as a whole is none, or is cut off.
    """
    components, definitions = _parse_components(text.removeprefix("\ufeff"))
    zones = ZoneTable(definitions, home)
    series: list[_EventSeries] = []
    replacements: list[_Replacement] = []
    bad: list[BadEvent] = []
    for component in _drop_superseded(components):
        try:
            if component.error is not None:
                raise component.error
            uid, is_cancelled = component.text_of("UID"), _is_cancelled(component)
            recurrence_id = component.find_one("RECURRENCE-ID")
            parsed = () if is_cancelled else _parse_event(component, zones)
            if with_details:
                parsed = tuple(one.with_details_of(component) for one in parsed)
            time = None if recurrence_id is None else _parse_recurrence_id(recurrence_id, zones)
        except CalendarSyntaxError as error:
            bad.append(BadEvent(component.title, error))
            continue
        if time is None:
            series.extend(parsed)
        else:
            # Programs copy the rule of the series into what replaces one occurrence of it, which has one start.
            single = tuple(evolve(one.event, rules=(), extra_starts=frozenset()) for one in parsed)
            replacements.append(_Replacement(uid, time, component.sequence, single))
    return ParsedCalendar(tuple(_combine(series, replacements)), tuple(bad))


def _combine(series: Sequence[_EventSeries], replacements: Sequence[_Replacement]) -> Iterator[CalendarEvent]:
    """Yield what replaces occurrences, unless a newer version of the series excludes them, and the series without."""
    series_of: dict[str, list[_EventSeries]] = {}
    for one in series:
        series_of.setdefault(one.uid, []).append(one)
    replaced: dict[str, list[WrittenTime]] = {}
    for replacement in replacements:
        replaced.setdefault(replacement.uid, []).append(replacement.time)
        its_series = series_of.get(replacement.uid, ()) if replacement.uid else ()
        if not any(one.withdraws(replacement) for one in its_series):
            yield from replacement.events
    for one in series:
        yield one.without(replaced.get(one.uid, ()) if one.uid else ())


def _is_cancelled(component: _Component) -> bool:
    return component.text_of("STATUS").strip().upper() == "CANCELLED"


def _drop_superseded(components: Sequence[_Component]) -> Iterator[_Component]:
    """Yield the events without older versions of them: of the same UID and occurrence with a lower SEQUENCE."""
    newest: dict[tuple[str, str], int] = {}
    for component in components:
        key = component.text_of("UID"), component.text_of("RECURRENCE-ID")
        newest[key] = max(newest.get(key, 0), component.sequence)
    for component in components:
        uid = component.text_of("UID")
        if not uid or component.sequence == newest[uid, component.text_of("RECURRENCE-ID")]:
            yield component


def _parse_recurrence_id(line: ContentLine, zones: ZoneTable) -> WrittenTime:
    """Return the start of the occurrence that an event replaces."""
    if "RANGE" in line.parameters:
        raise line.error("a change of all following occurrences (RANGE) is not supported; split the series in two")
    return parse_time(line, line.value, zones)


def _parse_components(text: str) -> tuple[list[_Component], dict[str, list[ContentLine]]]:
    """Return the events of a file, and the lines of each time zone that it defines."""
    stack: list[_Component] = []
    closed: list[_Component] = []
    zone_lines: list[ContentLine] = []
    definitions: dict[str, list[ContentLine]] = {}
    number = 1
    for line in parse_content_lines(text):
        number, kind = line.number, line.value.strip().upper()
        if not stack and closed and line.name != "BEGIN":
            continue
        if not stack and (line.check().name, kind) != ("BEGIN", "VCALENDAR"):
            raise line.error("outside of a calendar; an iCalendar file starts with BEGIN:VCALENDAR")
        zone_lines.append(line)
        if line.name == "BEGIN":
            stack.append(_Component(line))
            zone_lines = [line] if kind == "VTIMEZONE" else zone_lines
        elif line.name != "END":
            if not line.is_invalid or line.name in _MATTERING:
                stack[-1].lines.append(line)
        else:
            is_outer = any(component.kind == kind for component in stack)
            while is_outer and stack[-1].kind != kind:
                closed.append(stack.pop().ended_by(line))
            closed.append(stack.pop().ended_by(line))
            if kind == "VTIMEZONE":
                definitions[closed[-1].text_of("TZID").strip()] = zone_lines
    if stack or not closed:
        problem = "the file ends inside a calendar; export it again" if stack else "the file is empty; export it again"
        raise CalendarSyntaxError(number, problem)
    return [component for component in closed if component.kind == "VEVENT"], definitions


def _parse_event(component: _Component, zones: ZoneTable) -> tuple[_EventSeries, ...]:
    """Return an event, and one more for each period of its own length that it lists."""
    begin = component.find_one("DTSTART")
    if begin is None:
        raise component.begin.error("event without DTSTART; give it a start")
    start = parse_time(begin, begin.value, zones)
    zone, uid, name = start.zone or zones.home, component.text_of("UID"), component.title
    for line in component.find_all("EXRULE"):
        raise line.error("not supported; list the excluded times in EXDATE")
    rules = (parse_rule(line, start.wall, zone, zones) for line in component.find_all("RRULE"))
    extra = [time for line in component.find_all("RDATE") for time in parse_times(line, zones)]
    excluded = [time for line in component.find_all("EXDATE") for time in parse_times(line, zones)]
    event = CalendarEvent(
        name=name,
        start=start.wall,
        zone=zone,
        length=_parse_length(component, start, zone, zones),
        rules=tuple(rule for rule in rules if rule is not None),
        extra_starts=frozenset(time.wall_in(zone) for time in extra if time.length is None),
        excluded_starts=frozenset(time.wall_in(zone) for time in excluded),
        excluded_days=frozenset(time.wall.date() for time in excluded if time.is_date),
    )
    periods = (CalendarEvent(name, time.wall_in(zone), zone, time.length) for time in extra if time.length is not None)
    version = component.sequence
    return (
        _EventSeries(uid, event, start.is_date, version),
        *(_EventSeries(uid, period, is_date=False, sequence=version) for period in periods),
    )


def _parse_length(component: _Component, start: WrittenTime, zone: tzinfo, zones: ZoneTable) -> EventLength:
    """Return the length of an event; where it has an end and a duration, against the RFC, the end counts."""
    end, duration = component.find_one("DTEND"), component.find_one("DURATION")
    if end is None:
        if duration is not None:
            return parse_duration(duration)
        return EventLength(days=1 if start.is_date else 0)
    until = parse_time(end, end.value, zones)
    if start.is_date and not until.is_date and (until.wall.time() == _MIDNIGHT or end.is_marked_as_date):
        # A date that is written as a time.
        until = WrittenTime(datetime.combine(until.wall.date(), _MIDNIGHT), None, is_date=True)
    if start.is_date and not until.is_date:
        raise end.error("must be a date, or a time at midnight, because DTSTART is a date")
    if start.is_date:
        # Some programs end an event of one day on that day instead of the next.
        length = EventLength(days=max((until.wall - start.wall).days, 1 if until.wall == start.wall else 0))
        is_backwards = until.wall < start.wall
    else:
        length = EventLength(
            exact=first_instant_of(until.wall, until.zone or zones.home) - first_instant_of(start.wall, zone)
        )
        is_backwards = length.exact < timedelta(0)
    if is_backwards:
        raise end.error("must not be before DTSTART")
    return length
