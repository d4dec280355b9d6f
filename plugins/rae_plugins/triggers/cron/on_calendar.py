"""Calendar events of systemd ("Mon..Fri *-*-1..7 09:00"), translated to cron expressions: systemd.time(7)."""

import re
from collections.abc import Mapping, Sequence

from rae_plugins.triggers.cron.fields import HOUR, MINUTE, MONTH, SECOND, Field

_WEEKDAY = r"(?:MON|TUE|WED|THU|FRI|SAT|SUN)[A-Z]*"
_ITEM = r"(?:\*|\d+(?:\.\.\d+)?)(?:/\d+)?"
_LIST = rf"{_ITEM}(?:,{_ITEM})*"
_EVENT = re.compile(
    rf"(?:ONCALENDAR=)?(?:(?P<weekdays>{_WEEKDAY}(?:(?:\.\.|,){_WEEKDAY})*),?(?: |$))?"
    rf"(?:(?:(?P<year>{_LIST})-)?(?P<month>{_LIST})(?P<mark>[-~])(?P<day>{_LIST})(?: |$))?"
    rf"(?:(?P<hour>{_LIST}):(?P<minute>{_LIST})(?::(?P<second>{_LIST}))?)?"
)
_WORDS: Mapping[str, str] = {
    "MINUTELY": "* * * * *",
    "QUARTERLY": "0 0 1 1,4,7,10 *",
    "SEMIANNUALLY": "0 0 1 1,7 *",
}
_WEEKS = {"1..7": 1, "8..14": 2, "15..21": 3, "22..28": 4}


def translate_calendar_event(text: str) -> str | None:
    """Return the cron expression, in lower case, that means the same as a calendar event in capitals.

    None for another text, for one time, and for what cron can't express.
    """
    if text in _WORDS:
        return _WORDS[text]
    match = _EVENT.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    parts = match.groupdict()
    if parts["hour"] is None and parts["month"] is None:
        return None
    days = _find_days(parts["weekdays"], parts["day"], parts["mark"])
    if days is None or _is_one_time(parts):
        return None
    day, weekday = days
    clock = [_to_field(parts["minute"] or "0"), _to_field(parts["hour"] or "0")]
    second, year = _to_field(parts["second"] or "0"), _to_field(parts["year"] or "*")
    month = _to_field(parts["month"] or "*", first=1)
    if not all(map(_is_valid, (SECOND, MINUTE, HOUR, MONTH), (second, *clock, month))):
        return None
    fields = [*clock, day, month, weekday]
    if year != "*":
        return " ".join([second, *fields, year])
    return " ".join(fields if second == "0" else [second, *fields])


def _is_valid(column: Field, field: str) -> bool:
    try:
        return all(column.parse_item(item) for item in field.split(","))
    except ValueError:
        return False


def _is_one_time(parts: Mapping[str, str | None]) -> bool:
    return all((parts[name] or "*").isdecimal() for name in ("year", "month", "day"))


def _find_days(weekdays: str | None, day: str | None, mark: str | None) -> tuple[str, str] | None:
    """Return the two day fields; None if both are restricted, because a date must then match both of systemd's."""
    if day is not None and mark == "~":
        counted = _count_from_end(day.split(","))
        return None if counted is None or weekdays else (counted, "*")
    names = None if weekdays is None else re.sub(r"([A-Z]{3})[A-Z]*", r"\1", weekdays).replace("..", "-").lower()
    if names is None or day in (None, "*"):
        return (_to_field(day or "*", first=1), names or "*")
    if day in _WEEKS and re.fullmatch("[a-z]{3}", names):
        return ("*", f"{names}#{_WEEKS[day]}")
    return None


def _count_from_end(days: Sequence[str]) -> str | None:
    """Return days from the last of a month, which is 1 in systemd and L here."""
    if not all(day.isdecimal() and int(day) > 0 for day in days):
        return None
    return ",".join("L" if int(day) == 1 else f"L-{int(day) - 1}" for day in days)


def _to_field(items: str, first: int = 0) -> str:
    """Return a field of cron; `first` is the smallest value of the field, from which a step counts as from `*`."""
    plain = [re.sub(r"\d+", lambda number: str(int(number[0])), item.replace("..", "-")) for item in items.split(",")]
    return ",".join(f"*{item[1:]}" if re.fullmatch(rf"{first}/\d+", item) else item for item in plain)
