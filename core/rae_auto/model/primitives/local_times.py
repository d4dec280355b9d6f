"""Times as people write them: "yesterday", "1h ago", "09:00", "tomorrow 9:00", "in 10 minutes", or ISO 8601.

The grammar, in which case doesn't matter:

    time      now | [in] duration | duration ago | day [[at] clock] | clock [day] | ISO 8601 with an offset
    duration  90s | 1h30m | 10 minutes | an hour | 1 day and 2 hours
    day       today | yesterday | tomorrow | [last|next] weekday | 2026-11-28
    clock     9:00 | 09:00:30 | 9am | 9:30 pm | noon | midnight

A day alone is its midnight. What has several meanings ("1h", "09:00", "monday") is the nearest time in the direction
that the option looks: back for `--since`, ahead for `--until` of a pause. When clocks are changed, some local times
occur twice and some do not occur at all; the first one counts, or else the first later one.

Libraries were tried and refuse too little: dateparser reads "10" as a day of October (and takes 300 ms to import),
parsedatetime reads "2026-11-28 xx" and drops the offset of "2026-11-28T03:00+01:00".
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.model.primitives.formatting import quote

YEARS = range(1970, 9000)
"""The years that are understood; the engine can compute with all of them."""

_SECOND = timedelta(seconds=1)
_MAX_SHOWN_CHARACTERS = 60
_MAX_CHARACTERS = 100

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_DAY = rf"today|yesterday|tomorrow|(?:(?:last|next) )?{_WEEKDAY}|\d{{4}}-\d\d-\d\d"
_CLOCK = r"noon|midnight|\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?(?: ?[ap]m)?|\d{1,2} ?[ap]m"
_DAY_FIRST = re.compile(rf"(?:on )?(?P<day>{_DAY})(?:,? (?:at )?(?P<clock>{_CLOCK}))?")
_CLOCK_FIRST = re.compile(rf"(?:at )?(?P<clock>{_CLOCK})(?: (?:on )?(?P<day>{_DAY}))?")
_CLOCK_PARTS = re.compile(r"(\d{1,2})(?::(\d\d))?(?::(\d\d)(?:\.(\d{1,6}))?)?(?: ?([ap])m)?")
_WITH_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)? ?(?:z|utc|[+-]\d\d:?\d\d)")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_UNIT = r"s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:rs?|ours?)?|d(?:ays?)?|w(?:eeks?)?"
_LENGTH = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,3}})?|an?(?= )) ?({_UNIT})(?![a-z])")
_RELATIVE = re.compile(rf"(?P<sign>in )?(?P<length>(?:{_LENGTH.pattern}(?:,? (?:and )?)?)+?)(?P<ago> ago)?")


class Direction(Enum):
    """The side of now on which a time lies that could lie on both."""

    PAST = "past"
    FUTURE = "future"


_EXAMPLES = {
    Direction.PAST: 'write yesterday, "1h ago", 09:00, "monday 9:00" or 2026-01-31T18:00',
    Direction.FUTURE: 'write "in 10 minutes", 09:00, "tomorrow 9:00" or 2026-01-31T18:00',
}


@frozen
class RequestedTime:
    """The instants that a text may mean, the most likely first, and a remark if there is something odd about it."""

    instants: tuple[datetime, ...]
    remark: str | None = None


def parse_local_time(text: str, zone: ZoneInfo, now: datetime, direction: Direction = Direction.PAST) -> RequestedTime:
    """Parse a time as people write it; without an offset it is by the clock of `zone`. Pure.

    Errors: ValueError, one line with examples.
    """
    words = re.sub(r"(?<=\d)t(?=\d)", " ", " ".join(text.split()).lower()) if len(text) <= _MAX_CHARACTERS else ""
    try:
        found = _read_exact(words, now, direction) or _read_by_clock(words, zone, now, direction)
    except (ValueError, OverflowError):
        found = None
    if found is None or any(instant.year not in YEARS for instant in found.instants):
        shown = text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "…"
        raise ValueError(f"invalid time {quote(shown)}; {_EXAMPLES[direction]}")
    return found


def _read_exact(words: str, now: datetime, direction: Direction) -> RequestedTime | None:
    """Return the instant of a text for which no clock on a wall counts; None for other texts."""
    if words == "now":
        return RequestedTime((now.astimezone(UTC),))
    if _WITH_OFFSET.fullmatch(words):
        iso = words.replace("utc", "z").replace(" z", "z").replace(" +", "+").replace(" -", "-")
        return RequestedTime((datetime.fromisoformat(iso.upper()).astimezone(UTC),))
    match = _RELATIVE.fullmatch(words)
    if match is None or (match["sign"] and match["ago"]):
        return None
    length = sum((_length(number, unit) for number, unit in _LENGTH.findall(match["length"])), timedelta())
    is_ahead = bool(match["sign"]) or (direction is Direction.FUTURE and not match["ago"])
    return RequestedTime((now.astimezone(UTC) + (length if is_ahead else -length),))


def _length(number: str, unit: str) -> timedelta:
    return timedelta(**{_UNITS[unit[0]]: 1.0 if number.startswith("a") else float(number)})


def _read_by_clock(words: str, zone: ZoneInfo, now: datetime, direction: Direction) -> RequestedTime | None:
    match = _DAY_FIRST.fullmatch(words) or _CLOCK_FIRST.fullmatch(words)
    if match is None:
        return None
    clock = _parse_clock(match["clock"] or "midnight")
    today = now.astimezone(zone).date()
    found = None
    for day in _days_of(match["day"], today, direction):
        found = find_instants(datetime.combine(day, clock), zone)
        if (found.instants[0] > now) == (direction is Direction.FUTURE):
            break
    return found


def _parse_clock(text: str) -> time:
    """Return a time of the day. Raises ValueError."""
    if text in ("noon", "midnight"):
        return time(12 if text == "noon" else 0)
    match = _CLOCK_PARTS.fullmatch(text)
    assert match is not None
    hour, minute, second, fraction, half = match.groups(default="")
    if half and int(hour) not in range(1, 13):
        raise ValueError(text)
    hours = int(hour) % 12 + (12 if half == "p" else 0) if half else int(hour)
    return time(hours, int(minute or 0), int(second or 0), int(fraction.ljust(6, "0")))


def _days_of(text: str | None, today: date, direction: Direction) -> Iterator[date]:
    """Yield the days that a text may mean, the nearest in the direction first; for None today and the day beside it."""
    step = timedelta(days=1 if direction is Direction.FUTURE else -1)
    if text is None:
        yield from (today, today + step)
    elif text in ("today", "yesterday", "tomorrow"):
        yield today + timedelta(days=("yesterday", "today", "tomorrow").index(text) - 1)
    elif text[0].isdigit():
        yield date.fromisoformat(text)
    else:
        *which, name = text.split()
        weekday = next(number for number, day in enumerate(_DAYS) if day[:3] == name[:3])
        if which:
            step = timedelta(days=1 if which[0] == "next" else -1)
        days = [today + count * step for count in range(1 if which else 0, 8)]
        matching = [day for day in days if day.weekday() == weekday]
        yield from matching[:1] if which else matching


def find_instants(local: datetime, zone: ZoneInfo) -> RequestedTime:
    """Return the instants at which the clock of a zone shows a naive time, or the one after the gap that skips it."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return RequestedTime((first,))
    place = f"on {local.date()} in {zone.key}"
    if first < second:
        return RequestedTime((first, second), f"{_clock(local)} occurs twice {place}")
    change = _find_clock_change(second, first, zone)
    before, after = (_clock(instant.astimezone(zone)) for instant in (change - _SECOND, change))
    remark = f"{_clock(local)} does not exist {place}: the clock goes from {before} to {after}, which is used instead"
    return RequestedTime((change,), remark)


def _find_clock_change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant between the two at which the clock of the zone is changed, by bisection."""
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == before else (early, middle)
    return late.replace(microsecond=0)


def _clock(local: datetime) -> str:
    return local.strftime("%H:%M:%S" if local.second else "%H:%M")


def distance_to_nearest(instants: Iterable[datetime], to: datetime) -> timedelta:
    """Return the distance to the nearest of the instants; `timedelta.max` if there are none."""
    return min((abs(instant - to) for instant in instants), default=timedelta.max)
