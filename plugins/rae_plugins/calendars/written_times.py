"""Dates, times, periods and durations as an iCalendar file writes them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from attrs import evolve, frozen

from rae_auto.model.primitives.escaping import quote_short
from rae_plugins.calendars.content_lines import MAX_SHOWN_CHARACTERS, ContentLine
from rae_plugins.calendars.events import EventLength
from rae_plugins.calendars.zone_table import ZoneTable
from rae_plugins.machine.wall_clock import first_instant_of, wall_time_at

MAX_LENGTH = timedelta(days=36525)
"""Maximum duration of an event; longer ones are refused."""

_TIME = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_UNQUOTED_ZONE = re.compile(r";TZID=([^;\"]*)", re.IGNORECASE)


@frozen
class WrittenTime:
    """A date or a time as written; its zone is None where it names none. A period has a length too."""

    wall: datetime
    zone: tzinfo | None
    is_date: bool
    length: EventLength | None = None

    def wall_in(self, zone: tzinfo) -> datetime:
        """Return the wall time of a zone at that time."""
        if self.zone is None or self.zone is zone:
            return self.wall
        return wall_time_at(first_instant_of(self.wall, self.zone), zone)


def parse_time(line: ContentLine, value: str, zones: ZoneTable) -> WrittenTime:
    """Return a date or a time of a line. Errors: CalendarSyntaxError."""
    name = line.parameters.get("TZID")
    if ":" in value:
        name, value = _split_unquoted_zone(line)
    match = _TIME.fullmatch(value.strip())
    try:
        if match is None:
            raise ValueError(value)
        wall = datetime.strptime(match[1] + (match[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - wall times
    except ValueError:
        quoted = quote_short(value, MAX_SHOWN_CHARACTERS)
        raise line.error(f"invalid date or time {quoted}; use 20261224 or 20261224T180000") from None
    if match[2] is None:
        return WrittenTime(wall, None, is_date=True)
    zone = UTC if match[3] else None if not name else zones.get(name, line)
    return WrittenTime(wall, zone, is_date=False)


def _split_unquoted_zone(line: ContentLine) -> tuple[str | None, str]:
    """Return the zone and the time of a line whose TZID has a colon in it, which should be quoted and isn't."""
    head, _, value = line.raw.rpartition(":")
    found = _UNQUOTED_ZONE.search(head)
    return (found[1].replace("\\,", ",") if found else None), value


def parse_times(line: ContentLine, zones: ZoneTable) -> Iterator[WrittenTime]:
    """Yield the dates, times and periods of a line. Errors: CalendarSyntaxError."""
    for value in line.value.split(","):
        start, slash, end = value.partition("/")
        if not value.strip():
            continue
        time = parse_time(line, start, zones)
        yield evolve(time, length=_parse_period_end(line, time, end.strip(), zones)) if slash else time


def _parse_period_end(line: ContentLine, start: WrittenTime, end: str, zones: ZoneTable) -> EventLength:
    if not end[:1].isdigit():
        return parse_duration(line, end)
    until = parse_time(line, end, zones)
    exact = first_instant_of(until.wall, until.zone or zones.home) - first_instant_of(
        start.wall, start.zone or zones.home
    )
    if exact < timedelta(0):
        raise line.error("a period must not end before it begins")
    return EventLength(exact=exact)


def parse_duration(line: ContentLine, text: str | None = None) -> EventLength:
    """Return a duration: the value of a line, or a part of it. Errors: CalendarSyntaxError."""
    text = line.value if text is None else text
    match = _DURATION.fullmatch(text.strip().upper())
    if match is None or match[1] == "-" or not any(match.groups()[1:]):
        quoted = quote_short(text, MAX_SHOWN_CHARACTERS)
        raise line.error(f"invalid duration {quoted}; use a positive one, as in P1D or PT2H")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups()[1:])
    try:
        length = EventLength(weeks * 7 + days, timedelta(hours=hours, minutes=minutes, seconds=seconds))
        is_too_long = length.upper_bound > MAX_LENGTH
    except OverflowError:
        is_too_long = True
    if is_too_long:
        raise line.error("longer than 100 years; use a shorter one")
    return length
