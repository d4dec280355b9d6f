"""Rules of recurrence (RRULE) as an iCalendar file writes them."""

import re
from datetime import datetime, timedelta, tzinfo

from rae_auto.model.primitives.escaping import quote_short, shorten_line
from rae_plugins.calendars.content_lines import MAX_SHOWN_CHARACTERS, ContentLine
from rae_plugins.calendars.events import RecurrenceRule, has_occurrence
from rae_plugins.calendars.written_times import parse_time
from rae_plugins.calendars.zone_table import ZoneTable

_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_NUMBERS = re.compile(r"[+-]?\d{1,3}(,[+-]?\d{1,3})*", re.ASCII)
_BOUNDS = {"BYMONTH": (1, 12), "BYMONTHDAY": (1, 31), "BYYEARDAY": (1, 366), "BYWEEKNO": (1, 53), "BYSETPOS": (1, 366)}
_IGNORED = ("X-", "RSCALE=GREGORIAN", "SKIP=OMIT")
"""Beginnings of parts that change nothing; RSCALE and SKIP are of RFC 7529, with these values by default."""
_OTHER_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"}


def parse_rule(line: ContentLine, start: datetime, zone: tzinfo, zones: ZoneTable) -> RecurrenceRule | None:
    """Return the rule of a line, None if it has no part. Errors: CalendarSyntaxError."""
    # Some programs write blanks after commas, escape what need not be, or end with a semicolon.
    text = re.sub(r"[\s\\\\]", "", line.value)
    items = [item for item in text.split(";") if item.strip(",") and not item.upper().startswith(_IGNORED)]
    if not items:
        return None
    parts = dict(_parse_part(line, item) for item in items)
    if parts.get("FREQ") not in _FREQUENCIES:
        raise line.error(f"unsupported or missing FREQ; use one of {', '.join(_FREQUENCIES)}")
    count = parts.pop("COUNT", None)
    until = parts.pop("UNTIL", None)
    last = None if not until else parse_time(line, until, zones)
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
    name, _, value = (word.strip(",").upper() for word in item.partition("="))
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
