"""Schedules in which the day of the month and that of the week must both match, which cron reads as either."""

from typing import Any

_DAY_LETTERS = frozenset("L#W/")


def require_both_days(expression: str, timezone: str | None) -> tuple[str, dict[str, Any] | None]:
    """Return an expression of five fields or more and the guard that keeps it to its days of the week, if one must.

    Where one of the two begins with `*`, cron asks for both anyway. Raises ValueError for days of the week that no
    guard knows.
    """
    fields = expression.split()
    day, week = (2, 4) if len(fields) == 5 else (3, 5)
    if len(fields) <= week or fields[day][0] in "*?" or fields[week][0] in "*?":
        return expression, None
    days = fields[week]
    if _DAY_LETTERS & set(days.upper()):
        raise ValueError(
            f"{expression!r} asks for a day of the month and {days!r} at once; cron starts on either of them"
        )
    plain = ",".join(expand_weekdays(days))
    fields[week] = "*"
    guard: dict[str, Any] = {"type": "weekday", "days": plain.split(",")}
    return " ".join(fields), guard | ({"timezone": timezone} if timezone else {})


_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")


def expand_weekdays(text: str) -> list[str]:
    """Return days of the week in cron's numbers or names as names and ranges of names. Raises ValueError."""
    return ["-".join(_name_day(end) for end in item.split("-")) for item in text.lower().split(",")]


def _name_day(text: str) -> str:
    if text.isdecimal() and int(text) < len(_NAMES):
        return _NAMES[int(text)]
    if text[:3] in _NAMES:
        return text[:3]
    raise ValueError(f"{text!r} is not a day of the week")
