"""Times as people write them: "yesterday", "1h ago", "09:00", "tomorrow 9:00", "in 10 minutes", or ISO 8601.

The grammar, in which case doesn't matter:

    time      now | [in] length | length ago | last length | day [[at] clock] | clock [day] | ISO 8601 with an offset
    length    90s | 1h30m | 10 minutes | an hour | half an hour | two days | 1 day and 2 hours | 3 months | a year
    day       today | yesterday | the day after tomorrow | [last|this|next] weekday | (last|this|next) (week|month|year)
              | 27 Nov [2026] | Nov 27 | 2026-11-28
    clock     9:00 | 09:00:30 | 9am | 9:30 pm | noon | midnight | morning | afternoon | evening | night
              | this morning | tonight | last night

A day alone is its midnight, and a week, month or year the midnight of its first day. A morning begins at 6:00, an
afternoon at noon, an evening at 18:00 and a night at 21:00. Months and years go by the calendar, other lengths by the
seconds. What has several meanings ("1h", "09:00", "monday", "Nov 27") is the nearest time in the direction that the
option looks: back for `--since`, ahead for `--until` of a pause. When clocks are changed, some local times occur twice
and some do not occur at all; the first one counts, or else the first later one.

Libraries were tried and refuse too little: dateparser reads "10" as a day of October (and takes 300 ms to import),
parsedatetime reads "2026-11-28 xx" and drops the offset of "2026-11-28T03:00+01:00".
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.model.primitives.formatting import format_local_time, quote
from rae_auto.model.primitives.local_times.named_days import DAY, Direction, add_months, find_days
from rae_auto.model.primitives.local_times.zone_changes import bisect_clock_change

YEARS = range(1970, 9000)
"""The years that are understood; the engine can compute with all of them."""

_SECOND = timedelta(seconds=1)
_MAX_SHOWN_CHARACTERS = 60
_MAX_CHARACTERS = 100

_PARTS_OF_DAY = {"midnight": 0, "morning": 6, "noon": 12, "afternoon": 12, "evening": 18, "night": 21}
_CLOCK = rf"{'|'.join(_PARTS_OF_DAY)}|\d{{1,2}}:\d\d(?::\d\d(?:\.\d{{1,6}})?)?(?: ?[ap]m)?|\d{{1,2}} ?[ap]m"
_DAY_FIRST = re.compile(rf"(?:on )?(?P<day>{DAY})(?:,? (?:at )?(?P<clock>{_CLOCK}))?")
_CLOCK_FIRST = re.compile(rf"(?:at )?(?P<clock>{_CLOCK})(?: (?:on )?(?P<day>{DAY}))?")
_CLOCK_PARTS = re.compile(r"(\d{1,2})(?::(\d\d))?(?::(\d\d)(?:\.(\d{1,6}))?)?(?: ?([ap])m)?")
_WITH_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)? ?(?:z|utc|[+-]\d\d:?\d\d)")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_UNIT = r"s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:rs?|ours?)?|d(?:ays?)?|w(?:eeks?)?"
_LENGTH = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,3}})?|an?(?= )) ?({_UNIT})(?![a-z])")
_MONTHS = re.compile(r"(?P<sign>in )?(?P<count>\d{1,4}|an?) (?P<unit>months?|years?)(?P<ago> ago)?")
_RELATIVE = re.compile(rf"(?P<sign>in )?(?P<length>(?:{_LENGTH.pattern}(?:,? (?:and )?)?)+?)(?P<ago> ago)?")


_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER = re.compile(rf"\b({'|'.join(_NUMBERS)})(?= (?:{_UNIT}|and a half|months?|years?)\b)")
_PART = "morning|afternoon|evening"
_PHRASES: tuple[tuple[str, str], ...] = (
    (r"\b(?:a )?half (?:an )?hour\b", "30 minutes"),
    (r"\bhalf a day\b", "12 hours"),
    (r"\b(?:a )?quarter of an hour\b", "15 minutes"),
    (r"\ban? (hour|day|week) and a half\b", r"1.5 \1s"),
    (r"\b(\d+) and a half (?=hours|days|weeks)", r"\1.5 "),
    (r"^(?:the )?(?:last|past) (?=\d)(.*)$", r"\1 ago"),
    (r"^(?:the )?(?:last|past) (second|minute|hour|day)$", r"1 \1 ago"),
    (r"^(?:the )?past (week|month|year)$", r"1 \1 ago"),
    (rf"\bthis ({_PART})\b", r"today \1"),
    (rf"\bin the ({_PART})\b", r"\1"),
    (r"\btonight\b", "today night"),
    (r"\blast night\b", "yesterday night"),
    (r"\bat night\b", "night"),
    (r"\bmorning (?:at )?(?=\d)", ""),
    (r"\b(?:afternoon|evening|night) (?:at )?(?=(?:1[2-9]|2[0-3]):|\d{1,2}(?::\d\d)? ?pm)", ""),
    (r"(?<=\d) ?o'clock\b", ":00"),
)
"""Idioms, and what they stand for in the grammar, in the order in which they are replaced."""

_WORD = re.compile(r"[a-z]{2}")
"""A part of each number and idiom."""

_FIGURES_ALONE = re.compile(r"\d{1,2}[./]\d{1,2}(?:[./](?:\d{4}|\d\d)?)?(?: .*)?")

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
    words = _simplify(text) if len(text) <= _MAX_CHARACTERS else ""
    try:
        found = (
            _read_exact(words, now, direction)
            or _read_months(words, zone, now, direction)
            or _read_by_clock(words, zone, now, direction)
        )
    except (ValueError, OverflowError):
        found = None
    if found is None or any(instant.year not in YEARS for instant in found.instants):
        shown = text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "…"
        hint = "write the month as a word, or the year first: 27 Nov, 2026-11-27"
        raise ValueError(
            f"invalid time {quote(shown)}; {hint if _FIGURES_ALONE.fullmatch(words) else _EXAMPLES[direction]}"
        )
    return found


def parse_past_time(text: str, zone: ZoneInfo, now: datetime) -> RequestedTime:
    """Parse a time as people write it at which a span of the past begins, as `--since` wants it. Pure.

    Errors: ValueError, one line with examples; also for a time that is yet to come, from which nothing is on record.
    """
    time = parse_local_time(text, zone, now)
    if time.instants[0] > now:
        at = format_local_time(time.instants[0], zone, now)
        raise ValueError(f"{at} is in the future; {_EXAMPLES[Direction.PAST]}")
    return time


def _simplify(text: str) -> str:
    """Return a text in lower case, with numbers and idioms in words replaced by what they stand for."""
    words = re.sub(r"(?<=\d)t(?=\d)", " ", " ".join(text.split()).lower())
    if _WORD.search(words) is None:
        # As programs write it. Screens ask with a dozen of them.
        return words
    words = _NUMBER.sub(lambda match: str(_NUMBERS.index(match[1]) + 1), words)
    for pattern, meaning in _PHRASES:
        words = re.sub(pattern, meaning, words)
    return words


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


def _read_months(words: str, zone: ZoneInfo, now: datetime, direction: Direction) -> RequestedTime | None:
    match = _MONTHS.fullmatch(words)
    if match is None or (match["sign"] and match["ago"]):
        return None
    count = 1 if match["count"].startswith("a") else int(match["count"])
    count *= 12 if match["unit"].startswith("y") else 1
    is_ahead = bool(match["sign"]) or (direction is Direction.FUTURE and not match["ago"])
    local = now.astimezone(zone)
    day = add_months(local.date(), count if is_ahead else -count)
    return find_instants(datetime.combine(day, local.time()), zone)


def _read_by_clock(words: str, zone: ZoneInfo, now: datetime, direction: Direction) -> RequestedTime | None:
    match = _DAY_FIRST.fullmatch(words) or _CLOCK_FIRST.fullmatch(words)
    if match is None:
        return None
    clock = _parse_clock(match["clock"] or "midnight")
    today = now.astimezone(zone).date()
    found = None
    for day in find_days(match["day"], today, direction):
        found = find_instants(datetime.combine(day, clock), zone)
        if (found.instants[0] > now) == (direction is Direction.FUTURE):
            break
    return found


def _parse_clock(text: str) -> time:
    """Return a time of the day. Raises ValueError."""
    if text in _PARTS_OF_DAY:
        return time(_PARTS_OF_DAY[text])
    match = _CLOCK_PARTS.fullmatch(text)
    assert match is not None
    hour, minute, second, fraction, half = match.groups(default="")
    if half and int(hour) not in range(1, 13):
        raise ValueError(text)
    hours = int(hour) % 12 + (12 if half == "p" else 0) if half else int(hour)
    return time(hours, int(minute or 0), int(second or 0), int(fraction.ljust(6, "0")))


def find_instants(local: datetime, zone: ZoneInfo) -> RequestedTime:
    """Return the instants at which the clock of a zone shows a naive time, or the one after the gap that skips it."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return RequestedTime((first,))
    place = f"on {local.date()} in {zone.key}"
    if first < second:
        return RequestedTime((first, second), f"{_clock(local)} occurs twice {place}")
    change = bisect_clock_change(zone, second, first)
    before, after = (_clock(instant.astimezone(zone)) for instant in (change - _SECOND, change))
    remark = f"{_clock(local)} does not exist {place}: the clock goes from {before} to {after}, which is used instead"
    return RequestedTime((change,), remark)


def _clock(local: datetime) -> str:
    return local.strftime("%H:%M:%S" if local.second else "%H:%M")


def distance_to_nearest(instants: Iterable[datetime], to: datetime) -> timedelta:
    """Return the distance to the nearest of the instants; `timedelta.max` if there are none."""
    return min((abs(instant - to) for instant in instants), default=timedelta.max)
