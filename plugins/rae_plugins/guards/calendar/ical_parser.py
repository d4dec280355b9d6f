"""Parser of iCalendar files (RFC 5545): the events that cover time, and nothing else.

An event without an end takes a day if it begins with a date, and no time otherwise. Cancelled events don't count.
Whether an event counts as busy (TRANSP) is ignored, because calendars of holidays mark their days as free.


Why there is a parser here
==========================

A well-kept library beats our own code, so icalendar 7.3 with recurring-ical-events 3.8 was measured against this
parser, on a 1 MB file of 5,000 events, on the files of shared/trials/ics, and on the lines of test_ical_parser.py
(2026-11, Python 3.11, two cores):

                                      this parser      icalendar, recurring-ical-events
    import                            20 ms, 0.1 MB    220 ms, 10 MB (a fifth of the daemon's budget)
    parse 1 MB                        1.2 to 1.5 s     2.3 to 2.7 s
    question about a day              0.1 s a year,    0.7 s each time (no index; a guard is asked at each decision
                                      then microseconds  and for the next change)
    RRULE with INTERVAL=0             refused          never returns: the daemon would hang
    unknown time zone                 refused          read as a time without a zone
    DTEND before DTSTART, DTEND of    refused          read in some way
    another type, latin-1 bytes
    place of a problem                file and line    none; the property's name at most

The decisive points are the third and those below it. A guard that misreads a calendar starts a deployment on a holiday,
or never starts the backup, without a word. So what is not understood must be refused with its line when the
configuration is read, and an expansion must end. Both would have to be built around the library, which then would save
little of the code below: dateutil expands the rules and reads VTIMEZONE in either case. The price is that Windows zone
names without a VTIMEZONE, periods in RDATE and RANGE=THISANDFUTURE, which the library reads, are refused here.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from attrs import evolve, field, frozen

from rae_auto.model.primitives.escaping import quote_short, shorten_line
from rae_auto.model.primitives.zones import zone as named_zone
from rae_plugins.guards.calendar.content_lines import (
    MAX_SHOWN_CHARACTERS,
    CalendarSyntaxError,
    ContentLine,
    parse_content_lines,
)
from rae_plugins.guards.calendar.events import CalendarEvent, EventLength, RecurrenceRule, has_occurrence
from rae_plugins.machine.wall_clock import first_instant_of, wall_time_at

_TIME = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_NUMBERS = re.compile(r"[+-]?\d{1,3}(,[+-]?\d{1,3})*", re.ASCII)
_BOUNDS = {"BYMONTH": (1, 12), "BYMONTHDAY": (1, 31), "BYYEARDAY": (1, 366), "BYWEEKNO": (1, 53), "BYSETPOS": (1, 366)}
_OTHER_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"}


@frozen
class _WrittenTime:
    """A date or a time as written; its zone is None where it names none."""

    wall: datetime
    zone: tzinfo | None
    is_date: bool

    def wall_in(self, zone: tzinfo) -> datetime:
        """Return the wall time of a zone at that time."""
        if self.zone is None or self.zone is zone:
            return self.wall
        return wall_time_at(first_instant_of(self.wall, self.zone), zone)


@frozen
class _Component:
    """The lines of a component, without those of nested components."""

    begin: ContentLine
    lines: list[ContentLine] = field(factory=list)

    @property
    def kind(self) -> str:
        return self.begin.value.strip().upper()

    def find_one(self, name: str) -> ContentLine | None:
        lines = self.find_all(name)
        if len(lines) > 1:
            raise lines[1].error("given twice in one event")
        return lines[0] if lines else None

    def find_all(self, name: str) -> list[ContentLine]:
        return [line for line in self.lines if line.name == name]

    def text_of(self, name: str) -> str:
        return next((line.text for line in self.find_all(name)), "")


class _ZoneTable:
    """The time zones that a file names: those of the IANA database, otherwise its own definitions."""

    def __init__(self, definitions: Mapping[str, str], home: tzinfo) -> None:
        self._definitions = definitions
        self._cache: dict[str, tzinfo] = {}
        self.home = home

    def get(self, name: str, line: ContentLine) -> tzinfo:
        if name not in self._cache:
            self._cache[name] = self._load(name, line)
        return self._cache[name]

    def _load(self, name: str, line: ContentLine) -> tzinfo:
        try:
            # Some programs write /their.name/Europe/Berlin.
            return named_zone("/".join(name.split("/")[-2:]) if name.startswith("/") else name)
        except ValueError:
            if name not in self._definitions:
                quoted = quote_short(name, MAX_SHOWN_CHARACTERS)
                raise line.error(
                    f"unknown time zone {quoted}; export the calendar with its time zone definitions (VTIMEZONE)"
                ) from None
        from io import StringIO

        from dateutil.tz import tzical  # lazy: start-up

        try:
            parsed = tzical(StringIO(self._definitions[name])).get()
        except Exception as error:
            quoted = quote_short(name, MAX_SHOWN_CHARACTERS)
            raise line.error(f"invalid VTIMEZONE of time zone {quoted}: {shorten_line(str(error))}") from None
        assert isinstance(parsed, tzinfo)
        return parsed


def parse_events(text: str, home: tzinfo) -> tuple[CalendarEvent, ...]:
    """Return the events of a file; times without a zone are those of `home`. Errors: CalendarSyntaxError."""
    components, definitions = _parse_components(text.removeprefix("\ufeff"))
    zones = _ZoneTable(definitions, home)
    events: list[CalendarEvent] = []
    series: list[tuple[str, CalendarEvent]] = []
    replaced: list[tuple[str, _WrittenTime]] = []
    for component in components:
        event, uid = _parse_event(component, zones), component.text_of("UID")
        recurrence_id = component.find_one("RECURRENCE-ID")
        if recurrence_id is not None:
            replaced.append((uid, _parse_recurrence_id(recurrence_id, zones)))
        if component.text_of("STATUS").strip().upper() == "CANCELLED":
            continue
        if recurrence_id is not None:
            events.append(event)
        else:
            series.append((uid, event))
    for uid, event in series:
        replaced_starts = {time.wall_in(event.zone) for other, time in replaced if other and other == uid}
        events.append(evolve(event, excluded_starts=event.excluded_starts | replaced_starts))
    return tuple(events)


def _parse_recurrence_id(line: ContentLine, zones: _ZoneTable) -> _WrittenTime:
    """Return the start of the occurrence that an event replaces."""
    if "RANGE" in line.parameters:
        raise line.error("a change of all following occurrences (RANGE) is not supported; split the series in two")
    return _parse_time(line, line.value, zones)


def _parse_components(text: str) -> tuple[list[_Component], dict[str, str]]:
    """Return the events of a file, and the text of each time zone that it defines."""
    stack: list[_Component] = []
    closed: list[_Component] = []
    zone_lines: list[str] = []
    definitions: dict[str, str] = {}
    number = 1
    for line in parse_content_lines(text):
        number, kind = line.number, line.value.strip().upper()
        if not stack and (line.name, kind) != ("BEGIN", "VCALENDAR"):
            raise line.error("outside of a calendar; an iCalendar file starts with BEGIN:VCALENDAR")
        zone_lines.append(line.raw)
        if line.name == "BEGIN":
            stack.append(_Component(line))
            zone_lines = [line.raw] if kind == "VTIMEZONE" else zone_lines
        elif line.name != "END":
            stack[-1].lines.append(line)
        elif stack[-1].kind != kind:
            raise line.error(f"found {shorten_line(kind, 20)}, expected {shorten_line(stack[-1].kind, 20)}")
        else:
            closed.append(stack.pop())
            if kind == "VTIMEZONE":
                definitions[closed[-1].text_of("TZID")] = "\n".join(zone_lines)
    if stack or not closed:
        problem = "the file ends inside a calendar; export it again" if stack else "the file is empty; export it again"
        raise CalendarSyntaxError(number, problem)
    return [component for component in closed if component.kind == "VEVENT"], definitions


def _parse_event(component: _Component, zones: _ZoneTable) -> CalendarEvent:
    begin = component.find_one("DTSTART")
    if begin is None:
        raise component.begin.error("event without DTSTART; give it a start")
    start = _parse_time(begin, begin.value, zones)
    zone = start.zone or zones.home
    rules = tuple(_parse_rule(line, start.wall, zone, zones) for line in component.find_all("RRULE"))
    for line in component.find_all("EXRULE"):
        raise line.error("not supported; list the excluded times in EXDATE")
    extra = [time for line in component.find_all("RDATE") for time in _parse_times(line, zones)]
    excluded = [time for line in component.find_all("EXDATE") for time in _parse_times(line, zones)]
    return CalendarEvent(
        name=" ".join(component.text_of("SUMMARY").split()),
        start=start.wall,
        zone=zone,
        length=_parse_length(component, start, zone, zones),
        rules=rules,
        extra_starts=frozenset(time.wall_in(zone) for time in extra),
        excluded_starts=frozenset(time.wall_in(zone) for time in excluded),
        excluded_days=frozenset(time.wall.date() for time in excluded if time.is_date),
    )


def _parse_length(component: _Component, start: _WrittenTime, zone: tzinfo, zones: _ZoneTable) -> EventLength:
    end, duration = component.find_one("DTEND"), component.find_one("DURATION")
    if duration is not None:
        return _parse_duration(duration)
    if end is None:
        return EventLength(days=1 if start.is_date else 0)
    until = _parse_time(end, end.value, zones)
    if until.is_date != start.is_date:
        raise end.error("must be a date if DTSTART is a date, and a time if DTSTART is a time")
    if until.is_date:
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


def _parse_duration(line: ContentLine) -> EventLength:
    match = _DURATION.fullmatch(line.value.strip())
    if match is None or match[1] == "-" or not any(match.groups()[1:]):
        quoted = quote_short(line.value, MAX_SHOWN_CHARACTERS)
        raise line.error(f"invalid duration {quoted}; use a positive one, as in P1D or PT2H")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups()[1:])
    try:
        return EventLength(weeks * 7 + days, timedelta(hours=hours, minutes=minutes, seconds=seconds))
    except OverflowError:
        raise line.error("too long; use DTEND") from None


def _parse_times(line: ContentLine, zones: _ZoneTable) -> Sequence[_WrittenTime]:
    if line.parameters.get("VALUE", "").upper() == "PERIOD":
        raise line.error("periods are not supported; write an event for each")
    return [_parse_time(line, value, zones) for value in line.value.split(",") if value.strip()]


def _parse_time(line: ContentLine, value: str, zones: _ZoneTable) -> _WrittenTime:
    match = _TIME.fullmatch(value.strip())
    try:
        if match is None:
            raise ValueError(value)
        wall = datetime.strptime(match[1] + (match[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - wall times
    except ValueError:
        quoted = quote_short(value, MAX_SHOWN_CHARACTERS)
        hint = "quote a TZID that contains a colon" if ":" in value else "use 20261224 or 20261224T180000"
        raise line.error(f"invalid date or time {quoted}; {hint}") from None
    if match[2] is None:
        return _WrittenTime(wall, None, is_date=True)
    name = line.parameters.get("TZID")
    zone = UTC if match[3] else None if name is None else zones.get(name, line)
    return _WrittenTime(wall, zone, is_date=False)


def _parse_rule(line: ContentLine, start: datetime, zone: tzinfo, zones: _ZoneTable) -> RecurrenceRule:
    parts = dict(_parse_part(line, item) for item in line.value.strip().strip(";").split(";"))
    if parts.get("FREQ") not in _FREQUENCIES:
        raise line.error(f"unsupported or missing FREQ; use one of {', '.join(_FREQUENCIES)}")
    count = parts.pop("COUNT", None)
    until = parts.pop("UNTIL", None)
    last = None if until is None else _parse_time(line, until, zones)
    rule = RecurrenceRule(
        ";".join(f"{name}={value}" for name, value in parts.items()),
        None if count is None else int(count),
        None
        if last is None
        else last.wall_in(zone) + (timedelta(days=1, seconds=-1) if last.is_date else timedelta(0)),
    )
    try:
        is_possible = has_occurrence(rule.text, start)
    except Exception as error:
        raise line.error(f"invalid rule: {shorten_line(str(error))}") from None
    if not is_possible:
        raise line.error("the rule matches no date; correct it, or delete the event")
    return rule


def _parse_part(line: ContentLine, item: str) -> tuple[str, str]:
    name, _, value = (word.strip().upper() for word in item.partition("="))
    if name in ("INTERVAL", "COUNT"):
        is_valid = value.isdecimal() and 1 <= int(value) < 100_000
    elif name in _BOUNDS:
        low, high = _BOUNDS[name]
        is_valid = bool(_NUMBERS.fullmatch(value)) and all(
            low <= abs(int(number)) <= high for number in value.split(",")
        )
    else:
        is_valid = name in _OTHER_PARTS
    if not is_valid:
        raise line.error(f"unsupported or invalid part {quote_short(item, MAX_SHOWN_CHARACTERS)}")
    return name, value
