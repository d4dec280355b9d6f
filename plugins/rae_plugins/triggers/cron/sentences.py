"""A cron expression as a sentence: "every 15 minutes from 08:00 to 17:45, Monday to Friday".

Values count, not how they were written: `*/30` and `0,30` say the same. What can't be said clearly and shortly has no
sentence, so that a sentence that is there can be trusted: two expressions with the same one have the same times.
"""

import re
from collections.abc import Sequence

from rae_plugins.triggers.cron.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, YEAR, Field

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")
_ANY = ("*", "?")
_MIN_TIMES = 2
_MAX_TIMES = 6
_MAX_VALUES = 8

Words = str | None
"""A part of the sentence; "" where there is nothing to say, None where it can't be said."""


def describe_fields(words: Sequence[str]) -> str | None:
    """Return what a valid expression of five, six or seven fields in capitals says, or None."""
    has_seconds = len(words) > 5
    seconds = _values(SECOND, words[0]) if has_seconds else (0,)
    minute, hour, day, month, weekday = words[has_seconds : has_seconds + 5]
    times = _describe_times(seconds, _values(MINUTE, minute), _values(HOUR, hour))
    days = _describe_days(day, month, weekday)
    years = _describe_years(words[6]) if len(words) == 7 else ""
    if times is None or days is None or years is None:
        return None
    daily = "every day " if times.startswith("at ") and "of every hour" not in times and not days else ""
    return f"{daily}{times}{days}{years}"


def _values(column: Field, word: str) -> tuple[int, ...]:
    return tuple(sorted({value for item in word.split(",") for value in column.parse_item(item)}))


def _describe_times(seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]) -> Words:
    is_every_minute, is_every_hour = len(minutes) == MINUTE.size, len(hours) == HOUR.size
    if seconds != (0,):
        step = _step(seconds, SECOND.size)
        if not is_every_minute or not is_every_hour or step is None:
            return None
        return "every second" if step == 1 else f"every {step} seconds"
    if len(minutes) == 1:
        return _describe_hours(minutes[0], hours)
    step = _step(minutes, MINUTE.size)
    if len(minutes) * len(hours) <= _MIN_TIMES:
        return _describe_each(hours, minutes)
    if step is not None:
        every = "every minute" if step == 1 else f"every {step} minutes"
        if is_every_hour:
            return every
        span = _span(hours)
        return f"{every} from {span[0]:02}:00 to {span[1]:02}:{minutes[-1]:02}" if span else None
    if is_every_hour and len(minutes) <= _MAX_VALUES:
        return f"at minutes {_join(minutes)} of every hour"
    if len(minutes) * len(hours) <= _MAX_TIMES:
        return _describe_each(hours, minutes)
    return None


def _describe_each(hours: Sequence[int], minutes: Sequence[int]) -> str:
    return f"at {_join([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])}"


def _describe_hours(minute: int, hours: Sequence[int]) -> Words:
    """Return when it starts that does so once in each of these hours."""
    if len(hours) <= _MIN_TIMES:
        return _describe_each(hours, [minute])
    if len(hours) == HOUR.size:
        return "every hour" if minute == 0 else f"at minute {minute} of every hour"
    if (step := _step(hours, HOUR.size)) is not None:
        return f"every {step} hours" if minute == 0 else f"every {step} hours from 00:{minute:02}"
    if (span := _span(hours)) is not None:
        return f"every hour from {span[0]:02}:{minute:02} to {span[1]:02}:{minute:02}"
    return _describe_each(hours, [minute]) if len(hours) <= _MAX_VALUES else None


def _describe_days(day: str, month: str, weekday: str) -> Words:
    months = _describe_months(month)
    if months is None:
        return None
    if day in _ANY and weekday in _ANY:
        return months
    dates, weekdays = _describe_dates(day, months), _describe_weekdays(weekday)
    if dates is None or weekdays is None:
        return None
    if day in _ANY:
        return weekdays + months
    if weekday in _ANY:
        return dates
    # A field that begins with `*` narrows the other one, instead of adding to it.
    is_either = not months and not day.startswith("*") and not weekday.startswith("*")
    return f"{dates}, and{weekdays.replace(', Monday', ' Monday')}" if is_either else None


def _describe_dates(day: str, months: str) -> Words:
    if day in _ANY:
        return ""
    of = months.lstrip() or "of the month"
    if day == "L":
        return f" on the last day {of}"
    if day == "LW":
        return f" on the last working day {of}"
    if nearest := re.fullmatch(r"(\d+)W", day):
        return f" on the working day nearest to day {int(nearest[1])} {of}"
    if re.search(r"[LW]", day):
        return None
    days = _values(DAY, day)
    if len(days) == DAY.size:
        return None
    span, month = _span(days), months.removeprefix(" in ")
    if month in _MONTHS and len(days) == 1:
        return f" on {days[0]} {month}"
    if span is not None and len(days) > 2:
        return f" on days {span[0]} to {span[1]} {of}"
    return f" on {'day' if len(days) == 1 else 'days'} {_join(days)} {of}" if len(days) <= _MAX_VALUES else None


def _describe_months(month: str) -> Words:
    if month in _ANY:
        return ""
    months = _values(MONTH, month)
    if len(months) == MONTH.size:
        return ""
    span = _span(months)
    if span is not None and len(months) > 2:
        return f" from {_MONTHS[span[0] - 1]} to {_MONTHS[span[1] - 1]}"
    return f" in {_join([_MONTHS[number - 1] for number in months])}" if len(months) <= _MAX_TIMES else None


def _describe_weekdays(weekday: str) -> Words:
    if weekday in _ANY:
        return ""
    if counted := re.fullmatch(r"(\w+)#([1-5])", weekday):
        name = _WEEKDAYS[WEEKDAY.parse_value(counted[1], weekday) % 7]
        return f" on the {_ORDINALS[int(counted[2])]} {name} of the month"
    if last := re.fullmatch(r"(\w+)L", weekday):
        return f" on the last {_WEEKDAYS[WEEKDAY.parse_value(last[1], weekday) % 7]} of the month"
    if re.search(r"[#L]", re.sub(r"JUL", "", weekday)):
        return None
    days = sorted({value % 7 for value in _values(WEEKDAY, weekday)}, key=lambda number: (number - 1) % 7)
    if len(days) == WEEKDAY.size:
        return None
    if days == [1, 2, 3, 4, 5]:
        return ", Monday to Friday"
    return f" on {_join([f'{_WEEKDAYS[number]}s' for number in days])}"


def _describe_years(year: str) -> Words:
    if year in _ANY:
        return ""
    years = _values(YEAR, year)
    span = _span(years)
    if span is not None and len(years) > 2:
        return f" from {span[0]} to {span[1]}"
    return f" in {_join(years)}" if len(years) <= _MAX_TIMES else None


def _step(values: Sequence[int], size: int) -> int | None:
    """Return the step of values that divide their field into equal parts from 0 on, or None."""
    step = size // len(values)
    return step if len(values) > 1 and tuple(values) == tuple(range(0, size, step)) and size % step == 0 else None


def _span(values: Sequence[int]) -> tuple[int, int] | None:
    """Return the first and last of values without a gap, or None."""
    return (values[0], values[-1]) if values[-1] - values[0] == len(values) - 1 else None


def _join(values: Sequence[object]) -> str:
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
