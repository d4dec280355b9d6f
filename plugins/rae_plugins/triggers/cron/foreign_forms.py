"""Times in the forms of other tools: systemd, EventBridge, Quartz, cronie, words. Each gets its equivalent here."""

import re
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from re import Match

from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.cron.on_calendar import translate_calendar_event

_UNITS = {"S": "s", "SEC": "s", "SECOND": "s", "M": "m", "MIN": "m", "MINUTE": "m", "H": "h", "HR": "h", "HOUR": "h"}
_UNITS |= {"D": "d", "DAY": "d", "W": "w", "WEEK": "w"}
_DAYS = {"MONDAY": "mon", "TUESDAY": "tue", "WEDNESDAY": "wed", "THURSDAY": "thu", "FRIDAY": "fri"}
_DAYS |= {"SATURDAY": "sat", "SUNDAY": "sun"}
_PLAIN_DAYS = {"DAY": "*", "WEEKDAY": "mon-fri", "WORKDAY": "mon-fri", "WEEKEND": "sat,sun", **_DAYS}
_CLOCK = r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?::(?P<second>\d\d))?"
_WEEKDAY_NAMES = "MON|TUE|WED|THU|FRI|SAT|SUN"
_COMMAND = re.compile(r"[/~.]|[\w-]*[A-Z][\w-]*\.(?:SH|PY|PL|RB)$|[A-Z_][\w./-]*$")
_FIELD = re.compile(
    rf"[\d*?,/#LW-]+|(?:{_WEEKDAY_NAMES}|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|[\d*?,/#LW-])+"
)

_SHELL_BUILTINS = ("cd", "exec", "eval", "source", "test", "export", "umask", "ulimit", "command", "trap", "wait")

_RANDOM = r"(\d*)~(\d*)"

BOOT = 'trigger = { type = "system", on = ["boot"] }'
_SUN = 'trigger = {{ type = "sun", at = "{}", … }}, of the package rae-trigger-sun (contrib)'
MANUAL = 'trigger = { type = "manual" }'


def find_equivalent(text: str) -> str | None:
    """Return how a text that is no expression is written here: what it is and the remedy, as a clause, or None."""
    plain = " ".join(text.upper().split())
    plain = re.sub(r"\bNOON\b", "12:00", re.sub(r"\bMIDNIGHT\b", "0:00", plain)).replace("-~", "~")
    for pattern, describe in _FORMS:
        match = pattern.fullmatch(plain)
        if match is not None and (clause := describe(match)) is not None:
            return clause
    if (expression := translate_calendar_event(plain)) is not None:
        return f'is not a cron expression; write "{expression}"'
    words = plain.split()
    return _describe_command(text.split(), words) or _describe_year_last(words) or _describe_random(words)


def _interval(match: Match[str]) -> str | None:
    count, unit = int(match["count"] or 1), match["unit"]
    short = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("S"))
    if short is None:
        return None
    amount = f"{count * 7}d" if short == "w" else f"{count}{short}"
    return f'is an interval; write trigger = {{ type = "interval", every = "{amount}" }}'


def _combined_interval(match: Match[str]) -> str:
    return f'is an interval; write trigger = {{ type = "interval", every = "{match["amount"].lower()}" }}'


def _clock(match: Match[str]) -> str | None:
    return _expression(match, "*")


def _expression(match: Match[str], days: str) -> str | None:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = match.groupdict().get("half")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "PM" else 0)
    if hour > 23 or minute > 59:
        return None
    second = match.groupdict().get("second")
    seconds = f"{int(second)} " if second and int(second) else ""
    return f'is not a cron expression; write "{seconds}{minute} {hour} * * {days}"'


def _named_day(match: Match[str]) -> str | None:
    word = match["day"].removesuffix("S")
    days = _PLAIN_DAYS.get(word) or _PLAIN_DAYS.get(match["day"])
    return None if days is None else _expression(match, days)


def _day_alone(match: Match[str]) -> str | None:
    days = _PLAIN_DAYS.get(match["day"].removesuffix("S"))
    return None if days is None else f'is not a cron expression; write "0 0 * * {days}"'


def _on_calendar(match: Match[str]) -> str | None:
    days = (match["days"] or "").strip().replace("..", "-").lower() or "*"
    return _expression(match, days)


def _one_time(match: Match[str]) -> str | None:
    clock = match["clock"] or "00:00"
    clock = f"0{clock}" if clock.index(":") == 1 else clock
    return f'is one time; write trigger = {{ type = "once", at = "{match["day"]}T{clock}" }}'


def _event_bridge(match: Match[str]) -> str | None:
    words = match["fields"].split()
    if len(words) != 6:
        return None
    return f'is in the form of EventBridge; write "{_without_year(words)}"'


def _without_year(words: Sequence[str]) -> str:
    plain = " ".join("*" if word == "?" else word for word in words[:5])
    return (plain if words[5] == "*" else f"0 {plain} {words[5]}").lower()


def _describe_command(given: Sequence[str], words: Sequence[str]) -> str | None:
    """Return a clause about a line of a crontab, which has a command after its five fields or its macro."""
    count = 1 if words and words[0].startswith("@") else 5
    if (
        len(words) <= count
        or words[0] == "@EVERY"
        or not all(_FIELD.fullmatch(word) or word.startswith("@") for word in words[:count])
    ):
        return None
    if _FIELD.fullmatch(words[count]) or not _COMMAND.match(words[count]):
        return None
    schedule, rest = " ".join(given[:count]), given[count:]
    fields = f"schedule = {quote_short(schedule, 60)}" if words[0] != "@REBOOT" else BOOT
    has_user = len(rest) > 1 and _is_user(rest[0], rest[1])
    command = " ".join(rest[1:] if has_user else rest)
    contents = "the user and the command of a system crontab" if has_user else "a command"
    return f"has {contents} in it; write {fields} and shell = {quote_short(command, 60)}"


def _is_user(word: str, following: str) -> bool:
    """Return whether the first word after the fields is the column of users that /etc/crontab has, not a command."""
    if word == "root":
        return True
    is_command = word in _SHELL_BUILTINS or shutil.which(word) is not None
    return word.isidentifier() and following.startswith("/") and not is_command


def _describe_year_last(words: Sequence[str]) -> str | None:
    """Return a clause about six fields of which the last is a year, as in EventBridge."""
    if len(words) != 6 or not all(_FIELD.fullmatch(word) for word in words):
        return None
    is_year = words[5] == "*" or re.fullmatch(r"(?:19|20)\d\d(?:[-,/].*)?", words[5])
    if not is_year or "?" not in words[2:5]:
        return None
    return f'has six fields, which begin with the seconds here; write "{_without_year(words)}"'


def _describe_random(words: Sequence[str]) -> str | None:
    """Return a clause about a minute or an hour between two, as in cronie and OpenBSD."""
    found = split_random_fields(words)
    if found is None:
        return None
    options = f'expression = "{found[0]}", jitter = "{found[1]}"'
    return f'starts at a random time; write trigger = {{ type = "cron", {options} }}'


def split_random_fields(words: Sequence[str]) -> tuple[str, str] | None:
    """Return the expression and the jitter of five fields, in capitals, with a random minute or hour; else None."""
    if len(words) != 5 or words[0] == "*" or not any(re.fullmatch(_RANDOM, word) for word in words[:2]):
        return None
    starts, spread = [], 0
    for word, highest, minutes in ((words[0], 59, 1), (words[1], 23, 60)):
        match = re.fullmatch(_RANDOM, word)
        if match is None:
            starts.append(word)
            continue
        low, high = int(match[1] or 0), int(match[2] or highest)
        if low > high or high > highest:
            return None
        starts.append(str(low))
        spread += (high - low) * minutes
    return " ".join((*starts, *words[2:])).lower(), format_duration(timedelta(minutes=spread))


_FORMS: Sequence[tuple[re.Pattern[str], Callable[[Match[str]], str | None]]] = (
    (re.compile(r"@REBOOT|(?:AT |ON )?(?:BOOT|STARTUP|REBOOT)"), lambda _: f"is not a time; write {BOOT}"),
    (re.compile(r"@?(?:EVERY|EACH) (?:(?P<count>\d+) ?)?(?P<unit>[A-Z]+)"), _interval),
    (re.compile(r"(?P<count>\d+) ?(?P<unit>[A-Z]+)"), _interval),
    (re.compile(r"RATE\((?P<count>\d+) (?P<unit>[A-Z]+)\)"), _interval),
    (re.compile(r"(?:@?EVERY )?(?P<amount>(?:\d+[SMHD])+)"), _combined_interval),
    (re.compile(rf"(?:AT )?{_CLOCK} ?(?P<half>AM|PM)"), _clock),
    (re.compile(r"(?:AT |DAILY AT |EVERY DAY AT )?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"), _clock),
    (re.compile(r"(?:EVERY |EACH |ON )?(?P<day>[A-Z]+)"), _day_alone),
    (
        re.compile(r"(?:(?:EVERY DAY |DAILY )?AT )?(?P<event>SUNRISE|SUNSET|DAWN|DUSK)"),
        lambda match: f"is a time of the sun; write {_SUN.format(match['event'].lower())}",
    ),
    (re.compile(rf"(?:EVERY |ON )?(?P<day>[A-Z]+) (?:AT )?{_CLOCK} ?(?P<half>AM|PM)?"), _named_day),
    (
        re.compile(
            rf"(?:ONCALENDAR=)?(?P<days>(?:{_WEEKDAY_NAMES})[A-Z]*(?:(?:\.\.|,)[A-Z]+)* )?(?:\*-\*-\* )?"
            r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
        ),
        _on_calendar,
    ),
    (
        re.compile(
            rf"(?:AT\()?(?:(?:{_WEEKDAY_NAMES})[A-Z]* )?(?P<day>\d{{4}}-\d\d-\d\d)"
            r"(?:[ T](?P<clock>\d{1,2}:\d\d(?::\d\d)?))?\)?"
        ),
        _one_time,
    ),
    (re.compile(r"(?:AWS)?CRON\((?P<fields>.*)\)"), _event_bridge),
)
"""Whole texts in capitals, each with a clause about it; the first that matches counts."""
