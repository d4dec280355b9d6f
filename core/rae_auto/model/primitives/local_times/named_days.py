"""Days as people name them: "yesterday", "last friday", "Nov 27", "this week"; and arithmetic with months."""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from enum import Enum

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_NUMBER = r"\d{1,2}(?:st|nd|rd|th)?"
_MONTH_DAY = rf"(?:{_MONTH} {_NUMBER}|(?:the )?{_NUMBER} (?:of )?{_MONTH})(?:,? \d{{4}})?"
_RELATIVE_DAYS = {
    "today": 0,
    "yesterday": -1,
    "tomorrow": 1,
    "the day before yesterday": -2,
    "day before yesterday": -2,
    "the day after tomorrow": 2,
    "day after tomorrow": 2,
}

DAY = "|".join(
    [
        *_RELATIVE_DAYS,
        rf"(?:(?:last|this|next) )?{_WEEKDAY}",
        r"(?:last|this|next) (?:week|month|year)",
        _MONTH_DAY,
        r"\d{4}-\d\d-\d\d",
    ]
)
"""The pattern of a day, in lower case."""

_LEAP_YEARS_APART = 9
"""Years within which 29 February comes again, also around 1900 and 2100."""


class Direction(Enum):
    """The side of now on which a time lies that could lie on both."""

    PAST = "past"
    FUTURE = "future"


def find_days(text: str | None, today: date, direction: Direction) -> Iterator[date]:
    """Yield the days that a text may mean, the nearest in the direction first; for None today and the day beside it.

    The text matches `DAY`. A week, a month or a year is its first day. Raises ValueError for a day that isn't there.
    """
    sign = 1 if direction is Direction.FUTURE else -1
    if text is None:
        yield from (today, today + timedelta(days=sign))
    elif text in _RELATIVE_DAYS:
        yield today + timedelta(days=_RELATIVE_DAYS[text])
    elif re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        yield date.fromisoformat(text)
    elif re.search(r"\d", text):
        yield from _find_month_days(text, today, sign)
    else:
        *which, name = text.split()
        if name in ("week", "month", "year"):
            yield _find_span(which[0], name, today)
        else:
            yield from _find_weekdays(which, name, today, sign)


def _find_month_days(text: str, today: date, sign: int) -> Iterator[date]:
    words = re.findall(r"[a-z]+|\d+", text)
    month = next(_MONTHS.index(word[:3]) + 1 for word in words if word[:3] in _MONTHS)
    day, *year = [int(word) for word in words if word.isdecimal()]
    if year:
        yield date(year[0], month, day)
        return
    for distance in range(_LEAP_YEARS_APART):
        try:
            yield date(today.year + sign * distance, month, day)
        except ValueError:
            continue


def _find_span(which: str, name: str, today: date) -> date:
    step = ("last", "this", "next").index(which) - 1
    if name == "week":
        return today + timedelta(weeks=step, days=-today.weekday())
    if name == "month":
        return add_months(today.replace(day=1), step)
    return date(today.year + step, 1, 1)


def _find_weekdays(which: list[str], name: str, today: date, sign: int) -> Iterator[date]:
    weekday = next(number for number, day in enumerate(_WEEKDAYS) if day[:3] == name[:3])
    if which == ["this"]:
        yield today + timedelta(days=weekday - today.weekday())
        return
    step = timedelta(days=sign if not which else 1 if which == ["next"] else -1)
    days = [today + count * step for count in range(1 if which else 0, 8)]
    matching = [day for day in days if day.weekday() == weekday]
    yield from matching[:1] if which else matching


def add_months(day: date, count: int) -> date:
    """Return the same day this many months later or earlier, or the last day of a month that is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
