"""The events of an iCal file (RFC 5545): what covers time, and nothing else of it.

An event without an end takes a day if it begins with a date, and no time at all otherwise. Events that were cancelled
don't count; whether one counts as busy (TRANSP) doesn't matter, since calendars of holidays say that they don't.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from attrs import evolve, field, frozen

from rae_auto.model.primitives.zones import zone as named_zone
from rae_plugins.guards.calendar.events import Event, Length, Rule, ever_comes
from rae_plugins.guards.calendar.lines import Line, Unreadable, content_lines
from rae_plugins.guards.lines import shown
from rae_plugins.machine.wall_clock import first_shown, shown_at

_MOMENT = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_PERIODS = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_PART = re.compile(r"[+-]?\d{1,3}(,[+-]?\d{1,3})*", re.ASCII)
_BOUNDS = {"BYMONTH": (1, 12), "BYMONTHDAY": (1, 31), "BYYEARDAY": (1, 366), "BYWEEKNO": (1, 53), "BYSETPOS": (1, 366)}
_OTHER_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"}


@frozen
class _Moment:
    """A date or a time as written; its zone is None where it has none of its own."""

    wall: datetime
    zone: tzinfo | None
    is_date: bool

    def wall_in(self, zone: tzinfo) -> datetime:
        """What the clock of a zone shows then."""
        if self.zone is None or self.zone is zone:
            return self.wall
        return shown_at(first_shown(self.wall, self.zone), zone)


@frozen
class _Block:
    """The lines of a component, those of its inner ones left out."""

    begin: Line
    lines: list[Line] = field(factory=list)

    @property
    def kind(self) -> str:
        return self.begin.value.strip().upper()

    def one(self, name: str) -> Line | None:
        found = self.all(name)
        if len(found) > 1:
            raise found[1].bad("stands twice in one event")
        return found[0] if found else None

    def all(self, name: str) -> list[Line]:
        return [line for line in self.lines if line.name == name]

    def text(self, name: str) -> str:
        return next((line.text for line in self.all(name)), "")


class _Zones:
    """The zones that a file names: IANA's, else those that it describes itself."""

    def __init__(self, described: Mapping[str, str], home: tzinfo) -> None:
        self._described = described
        self._known: dict[str, tzinfo] = {}
        self.home = home

    def named(self, name: str, line: Line) -> tzinfo:
        if name not in self._known:
            self._known[name] = self._found(name, line)
        return self._known[name]

    def _found(self, name: str, line: Line) -> tzinfo:
        try:
            # Some programs write /their.name/Europe/Berlin.
            return named_zone("/".join(name.split("/")[-2:]) if name.startswith("/") else name)
        except ValueError:
            if name not in self._described:
                raise line.bad(
                    f"is in the time zone {shown(repr(name), 40)}, which neither IANA nor this file knows"
                ) from None
        from io import StringIO

        from dateutil.tz import tzical  # loaded for files that describe zones of their own

        try:
            found = tzical(StringIO(self._described[name])).get()
        except Exception as error:
            raise line.bad(f"is in a time zone that the file describes badly: {shown(str(error))}") from None
        assert isinstance(found, tzinfo)
        return found


def read_events(text: str, home: tzinfo) -> tuple[Event, ...]:
    """The events; what names no zone is on the clocks of `home`. Errors: Unreadable, a ValueError."""
    blocks, described = _blocks(text.removeprefix("\ufeff"))
    zones = _Zones(described, home)
    kept: list[Event] = []
    series: list[tuple[str, Event]] = []
    replaced: list[tuple[str, _Moment]] = []
    for block in blocks:
        event, uid, instead = _event(block, zones), block.text("UID"), block.one("RECURRENCE-ID")
        if instead is not None:
            replaced.append((uid, _replaced(instead, zones)))
        if block.text("STATUS").strip().upper() == "CANCELLED":
            continue
        if instead is not None:
            kept.append(event)
        else:
            series.append((uid, event))
    for uid, event in series:
        gone = {moment.wall_in(event.zone) for of, moment in replaced if of and of == uid}
        kept.append(evolve(event, less=event.less | gone))
    return tuple(kept)


def _replaced(line: Line, zones: _Zones) -> _Moment:
    """Which occurrence of a series an event stands for."""
    if "RANGE" in line.parameters:
        raise line.bad("changes all that follow (RANGE), which is not understood; split the event")
    return _moment(line, line.value, zones)


def _blocks(text: str) -> tuple[list[_Block], dict[str, str]]:
    """The events of a file, and the text of each time zone that it describes."""
    stack: list[_Block] = []
    closed: list[_Block] = []
    zone: list[str] = []
    zones: dict[str, str] = {}
    number = 1
    for line in content_lines(text):
        number, what = line.number, line.value.strip().upper()
        if not stack and (line.name, what) != ("BEGIN", "VCALENDAR"):
            raise line.bad("stands outside of a calendar; a file begins with BEGIN:VCALENDAR")
        zone.append(line.raw)
        if line.name == "BEGIN":
            stack.append(_Block(line))
            zone = [line.raw] if what == "VTIMEZONE" else zone
        elif line.name != "END":
            stack[-1].lines.append(line)
        elif stack[-1].kind != what:
            raise line.bad(f"{shown(what, 20)} comes before that of {shown(stack[-1].kind, 20)}")
        else:
            closed.append(stack.pop())
            if what == "VTIMEZONE":
                zones[closed[-1].text("TZID")] = "\n".join(zone)
    if stack or not closed:
        raise Unreadable(number, "the file ends within a calendar" if stack else "the file is empty")
    return [block for block in closed if block.kind == "VEVENT"], zones


def _event(block: _Block, zones: _Zones) -> Event:
    begin = block.one("DTSTART")
    if begin is None:
        raise block.begin.bad("of an event without DTSTART, which says when it is")
    start = _moment(begin, begin.value, zones)
    zone = start.zone or zones.home
    rules = tuple(_rule(line, start.wall, zone, zones) for line in block.all("RRULE"))
    for line in block.all("EXRULE"):
        raise line.bad("is not understood; list what is left out in EXDATE")
    more = [moment for line in block.all("RDATE") for moment in _moments(line, zones)]
    less = [moment for line in block.all("EXDATE") for moment in _moments(line, zones)]
    return Event(
        name=" ".join(block.text("SUMMARY").split()),
        start=start.wall,
        zone=zone,
        length=_length(block, start, zone, zones),
        rules=rules,
        more=frozenset(moment.wall_in(zone) for moment in more),
        less=frozenset(moment.wall_in(zone) for moment in less),
        less_days=frozenset(moment.wall.date() for moment in less if moment.is_date),
    )


def _length(block: _Block, start: _Moment, zone: tzinfo, zones: _Zones) -> Length:
    end, duration = block.one("DTEND"), block.one("DURATION")
    if duration is not None:
        return _duration(duration)
    if end is None:
        return Length(days=1 if start.is_date else 0)
    until = _moment(end, end.value, zones)
    if until.is_date != start.is_date:
        raise end.bad("must be a date where DTSTART is one, and a time where that is one")
    if until.is_date:
        # Some programs end a day's event on the day itself.
        length = Length(days=max((until.wall - start.wall).days, 1 if until.wall == start.wall else 0))
        backwards = until.wall < start.wall
    else:
        length = Length(exact=first_shown(until.wall, until.zone or zones.home) - first_shown(start.wall, zone))
        backwards = length.exact < timedelta(0)
    if backwards:
        raise end.bad("is before DTSTART")
    return length


def _duration(line: Line) -> Length:
    found = _DURATION.fullmatch(line.value.strip())
    if found is None or found[1] == "-" or not any(found.groups()[1:]):
        raise line.bad(f"{shown(repr(line.value), 40)} is no duration, such as P1D or PT2H")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups()[1:])
    try:
        return Length(weeks * 7 + days, timedelta(hours=hours, minutes=minutes, seconds=seconds))
    except OverflowError:
        raise line.bad("is too long") from None


def _moments(line: Line, zones: _Zones) -> Sequence[_Moment]:
    if line.parameters.get("VALUE", "").upper() == "PERIOD":
        raise line.bad("holds periods, which are not understood; write an event for each")
    return [_moment(line, value, zones) for value in line.value.split(",") if value.strip()]


def _moment(line: Line, value: str, zones: _Zones) -> _Moment:
    found = _MOMENT.fullmatch(value.strip())
    try:
        if found is None:
            raise ValueError(value)
        wall = datetime.strptime(found[1] + (found[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - wall times
    except ValueError:
        raise line.bad(f"{shown(repr(value), 40)} is no date, such as 20261224, and no time") from None
    if found[2] is None:
        return _Moment(wall, None, is_date=True)
    name = line.parameters.get("TZID")
    zone = UTC if found[3] else None if name is None else zones.named(name, line)
    return _Moment(wall, zone, is_date=False)


def _rule(line: Line, start: datetime, zone: tzinfo, zones: _Zones) -> Rule:
    parts = dict(_part(line, item) for item in line.value.strip().strip(";").split(";"))
    if parts.get("FREQ") not in _PERIODS:
        raise line.bad(f"has no FREQ that is understood; these are: {', '.join(_PERIODS)}")
    count = parts.pop("COUNT", None)
    until = parts.pop("UNTIL", None)
    last = None if until is None else _moment(line, until, zones)
    rule = Rule(
        ";".join(f"{name}={value}" for name, value in parts.items()),
        None if count is None else int(count),
        None
        if last is None
        else last.wall_in(zone) + (timedelta(days=1, seconds=-1) if last.is_date else timedelta(0)),
    )
    try:
        comes = ever_comes(rule.text, start)
    except Exception as error:
        raise line.bad(f"can't be understood: {shown(str(error))}") from None
    if not comes:
        raise line.bad("names no date that ever comes")
    return rule


def _part(line: Line, item: str) -> tuple[str, str]:
    name, _, value = (word.strip().upper() for word in item.partition("="))
    if name in ("INTERVAL", "COUNT"):
        good = value.isdecimal() and 1 <= int(value) < 100_000
    elif name in _BOUNDS:
        low, high = _BOUNDS[name]
        good = bool(_PART.fullmatch(value)) and all(low <= abs(int(number)) <= high for number in value.split(","))
    else:
        good = name in _OTHER_PARTS
    if not good:
        raise line.bad(f"has a part that is not understood: {shown(item, 40)}")
    return name, value
