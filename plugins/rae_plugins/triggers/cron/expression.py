"""Parsing of cron expressions: from text to a calendar, or one clear ValueError."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import product

from attrs import field, frozen

from rae_auto.model.primitives.escaping import quote_short
from rae_plugins.triggers.cron.calendar import Calendar, can_match, days_of
from rae_plugins.triggers.cron.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, YEAR, Field
from rae_plugins.triggers.cron.foreign_forms import MANUAL, find_equivalent
from rae_plugins.triggers.cron.offset_days import MAX_OFFSET_DAYS
from rae_plugins.triggers.cron.sentences import describe_fields
from rae_plugins.triggers.cron.traps import find_traps

_MAX_CHARS = 4096
_MACROS = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_ZONE = re.compile(r"(CRON_)?TZ=.*|[A-Z_]+/[A-Z_/+-]+\d*|UTC|GMT")
_HASH_ITEM = re.compile(r"[HR]([(/].*)?")


@frozen(eq=False)
class Expression:
    """A parsed expression: its wall-clock matches, and its behaviour at a DST change."""

    calendar: Calendar = field(repr=False)
    is_wildcard: bool
    """True if it follows the wall clock through a DST change, because its minute, hour or second is a `*`."""
    words: tuple[str, ...]
    """Its fields, in capitals, with macros replaced."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Traps in it, one line each."""
        return find_traps(self.words)

    @property
    def sentence(self) -> str | None:
        """The expression as a sentence, or None if it can't be said clearly."""
        return describe_fields(self.words)


@lru_cache(maxsize=16384)
def parse_expression(text: str) -> Expression:
    """Parse an expression of five, six (seconds first) or seven (the year last) fields, or a macro.

    Errors: ValueError, one line with the field, the problem and the remedy.
    """
    words = _split_fields(text)
    seconds = words[:1] if len(words) > 5 else []
    minute, hour, day, month, weekday = words[len(seconds) : len(seconds) + 5]
    years = _parse_values(YEAR, words[6]) if len(words) == 7 and words[6] != "*" else ()
    times = (
        _parse_values(SECOND, seconds[0]) if seconds else (0,),
        _parse_values(MINUTE, minute),
        _parse_values(HOUR, hour),
    )
    months = _to_croniter(MONTH, month)
    lines = [f"{days} {months} {weekdays}" for days, weekdays in _pair_days(day, weekday)]
    possible = tuple(line for line in lines if can_match(line, years))
    if not possible:
        given = {DAY: day, MONTH: month, WEEKDAY: weekday} | ({YEAR: words[6]} if years else {})
        named = ", ".join(f"{field.name} {quote_short(word)}" for field, word in given.items() if word not in "*?")
        raise ValueError(
            f"{quote_short(text)} never matches: no date has {named}; change one of them, or "
            f"write {MANUAL} to start it by hand only"
        )
    calendar = Calendar(days_of(possible, ",".join(map(str, years))), *times)
    is_wildcard = any(word.startswith("*") for word in (*seconds, minute, hour))
    return Expression(calendar, is_wildcard, tuple(words))


def _split_fields(text: str) -> list[str]:
    """Return the fields in capitals, with macros replaced."""
    if len(text) > _MAX_CHARS:
        raise ValueError(f"the expression has {len(text)} characters; write {_MAX_CHARS} at most")
    for letter in text:
        if not "!" <= letter <= "~" and letter not in " \t":
            code = letter.encode("unicode_escape").decode()
            raise ValueError(
                f'{quote_short(text)} contains the character "{code}"; write ASCII only, with spaces between the fields'
            )
    words = text.upper().replace("\t", " ").split()
    first, last = (words[0], words[-1]) if words else ("", "")
    if _ZONE.fullmatch(first) or _ZONE.fullmatch(last):
        raise ValueError(f"{quote_short(text)} contains a time zone; give it as the option timezone")
    if (equivalent := find_equivalent(text)) is not None:
        raise ValueError(f"{quote_short(text)} {equivalent}")
    if first == "@EVERY":
        raise ValueError(f"{quote_short(text)} is not a time of day; use an interval trigger")
    if len(words) == 1 and first in _MACROS:
        return _MACROS[first].split()
    if len(words) == 1 and f"@{first}" in _MACROS:
        raise ValueError(f'{quote_short(text)} is not a cron expression; write "@{first.lower()}"')
    if first.startswith("@"):
        raise ValueError(f"unknown macro {quote_short(text)}; write one of {', '.join(_MACROS).lower()}")
    if not 5 <= len(words) <= 7:
        count = f"{len(words)} {'field' if len(words) == 1 else 'fields'}"
        raise ValueError(
            f"{quote_short(text)} has {count}; write 5 (minute hour day month weekday), "
            "6 (seconds first) or 7 (the year last)"
        )
    return words


def _split_list(column: Field, word: str) -> Iterable[str]:
    for item in word.split(","):
        if not item:
            raise column.make_error(word, "the list has an empty item; remove the comma")
        if _HASH_ITEM.fullmatch(item):
            raise column.make_error(
                item, "H and R are not supported; write a number, and spread starts with the option jitter"
            )
        if "~" in item:
            raise column.make_error(
                item, "~ is not supported; write a number, and spread starts with the option jitter"
            )
        yield item


@lru_cache(maxsize=1024)
def _parse_values(column: Field, word: str) -> tuple[int, ...]:
    """Return the values of a field in ascending order; equal ones are one object."""
    return tuple(sorted({value for item in _split_list(column, word) for value in column.parse_item(item)}))


def _to_croniter(column: Field, word: str) -> str:
    """Return the field for croniter."""
    values = _parse_values(column, word)
    return "*" if len(values) == column.size else ",".join(map(str, values))


def _pair_days(day: str, weekday: str) -> list[tuple[str, str]]:
    """Return pairs of croniter's day fields: a date matches if both fields of any pair do.

    Both fields restricted means "either" (POSIX crontab), unless one begins with `*`, which means "both" (Debian's
    crontab(5)).
    """
    days, weekdays = _parse_days(day), _parse_weekdays(weekday)
    if day[0] in "*?" or weekday[0] in "*?":
        return list(product(days, weekdays))
    return [(each, "*") for each in days] + [("*", each) for each in weekdays]


def _parse_days(word: str) -> list[str]:
    if word in ("*", "?"):
        return ["*"]
    plain: set[int] = set()
    last: list[str] = []
    nearest: list[str] = []
    for item in _split_list(DAY, word):
        if item == "L":
            last = ["l"]
        elif counted := re.fullmatch(r"L-(\d{1,2})(W?)", item):
            if int(counted[1]) > MAX_OFFSET_DAYS:
                raise DAY.make_error(item, f"a month has no such day; write a number up to {MAX_OFFSET_DAYS} after L-")
            nearest.append(item.lower())
        elif item == "LW":
            nearest.append("31w")  # croniter takes the last day where the month is shorter
        elif item.endswith("W"):
            nearest.append(f"{DAY.parse_value(item[:-1], item)}w")
        else:
            plain |= DAY.parse_item(item)
    listed = [*map(str, sorted(plain)), *last]
    return [",".join(listed)] * bool(listed) + nearest


def _parse_weekdays(word: str) -> list[str]:
    if word in ("*", "?"):
        return ["*"]
    plain: set[int] = set()
    special: list[str] = []
    for item in _split_list(WEEKDAY, word):
        name, hash_sign, count = item.partition("#")
        if hash_sign:
            if not count.isdecimal() or not 1 <= int(count) <= 5:
                raise WEEKDAY.make_error(item, "write a number from 1 to 5 after the #")
            special.append(f"{WEEKDAY.parse_value(name, item) % 7}#{int(count)}")
        elif item == "L":
            raise WEEKDAY.make_error(
                item, "the day is missing; write FRIL for the last Friday of the month, or SAT for every Saturday"
            )
        elif item.endswith("L") or item.startswith("L"):
            name = item[1:] if item.startswith("L") else item[:-1]
            special.append(f"L{WEEKDAY.parse_value(name, item) % 7}")
        else:
            plain |= WEEKDAY.parse_item(item)
    return [",".join(map(str, sorted(plain)))] * bool(plain) + [",".join(special)] * bool(special)
