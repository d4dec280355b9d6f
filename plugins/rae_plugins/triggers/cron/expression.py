"""Cron expressions: text in, a calendar out, or one clear ValueError."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import product

from attrs import field, frozen

from rae_plugins.triggers.cron.calendar import Calendar, ever_comes
from rae_plugins.triggers.cron.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, YEAR, Field, shown

_LONGEST = 4096
_MACROS = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_ELSEWHERE = {
    "@REBOOT": "is no time; use a trigger for the start-up",
    "@EVERY": "is no time of the clock; use an interval trigger",
}
_ZONE = re.compile(r"(CRON_)?TZ=.*|[A-Z_]+/[A-Z_/+-]+\d*|UTC|GMT")
_SPREAD = re.compile(r"[HR]([(/].*)?")


@frozen(eq=False)
class Expression:
    """What an expression means: its matches on the wall, and how it behaves where the clock is set."""

    calendar: Calendar = field(repr=False)
    wild: bool
    """Whether it follows the clock on the wall through a DST change, as opposed to naming fixed times."""
    doubts: tuple[str, ...]


@lru_cache(maxsize=16384)
def parse(text: str) -> Expression:
    """The meaning of an expression of five, six (seconds first) or seven (the year last) fields, or of a macro.

    Errors: ValueError, one line that names the field, the problem and the remedy.
    """
    words = _words(text)
    seconds = words[:1] if len(words) > 5 else []
    minute, hour, day, month, weekday = words[len(seconds) : len(seconds) + 5]
    years = sorted(_values(YEAR, words[6])) if len(words) == 7 and words[6] != "*" else []
    clock = [_listed(SECOND, word) for word in seconds] + [_listed(MINUTE, minute), _listed(HOUR, hour)]
    months = _listed(MONTH, month)
    lines = [f"{days} {months} {weekdays}" for days, weekdays in _day_pairs(day, weekday)]
    possible = [line for line in lines if ever_comes(line, years)]
    if not possible:
        given = {DAY: day, MONTH: month, WEEKDAY: weekday} | ({YEAR: words[6]} if years else {})
        named = ", ".join(f"{field.name} {shown(word)}" for field, word in given.items() if word not in "*?")
        raise ValueError(f"{shown(text)} never comes: no date has {named}; change one of them")
    year = f" {','.join(map(str, years))}" if years else ""
    calendar = Calendar([f"{' '.join(clock)} {line}{year}" for line in possible])
    wild = any(word.startswith("*") for word in (*seconds, minute, hour))
    return Expression(calendar, wild, _doubts(day, weekday))


def _words(text: str) -> list[str]:
    """The fields in capitals, macros resolved."""
    if len(text) > _LONGEST:
        raise ValueError(f"a cron expression has at most {_LONGEST} characters, not {len(text)}")
    for letter in text:
        if not "!" <= letter <= "~" and letter not in " \t":
            raise ValueError(f"{shown(text)} has the character {letter!a}; write ASCII, and spaces between the fields")
    words = text.upper().replace("\t", " ").split()
    first, last = (words[0], words[-1]) if words else ("", "")
    if first in _ELSEWHERE:
        raise ValueError(f"{shown(text)} {_ELSEWHERE[first]}")
    if _ZONE.fullmatch(first) or _ZONE.fullmatch(last):
        raise ValueError(f"{shown(text)} holds a time zone; give it as the option timezone")
    if len(words) == 1 and first in _MACROS:
        return _MACROS[first].split()
    if first.startswith("@"):
        raise ValueError(f"{shown(text)} is no macro; write one of {', '.join(_MACROS).lower()}")
    if not 5 <= len(words) <= 7:
        raise ValueError(
            f"{shown(text)} has {len(words)} fields; write 5 (minute hour day month weekday), "
            "6 (seconds first) or 7 (the year last)"
        )
    return words


def _items(column: Field, word: str) -> Iterable[str]:
    for item in word.split(","):
        if not item:
            raise column.bad(word, "an item of the list is empty; remove the comma")
        if _SPREAD.fullmatch(item):
            raise column.bad(item, "H and R are not known; write a number and spread with the option jitter")
        yield item


def _values(column: Field, word: str) -> set[int]:
    return {value for item in _items(column, word) for value in column.values(item)}


def _listed(column: Field, word: str) -> str:
    """The field as croniter gets it."""
    values = _values(column, word)
    return "*" if len(values) == column.size else ",".join(map(str, sorted(values)))


def _day_pairs(day: str, weekday: str) -> list[tuple[str, str]]:
    """Pairs of croniter's day fields; both must hold, and any pair suffices."""
    days, weekdays = _days(day), _weekdays(weekday)
    if day[0] in "*?" or weekday[0] in "*?":
        return list(product(days, weekdays))
    return [(each, "*") for each in days] + [("*", each) for each in weekdays]


def _days(word: str) -> list[str]:
    if word in ("*", "?"):
        return ["*"]
    plain: set[int] = set()
    last: list[str] = []
    nearest: list[str] = []
    for item in _items(DAY, word):
        if item == "L":
            last = ["l"]
        elif item == "LW":
            nearest.append("31w")  # croniter takes the last day where the month is shorter
        elif item.endswith("W"):
            nearest.append(f"{DAY.value(item[:-1], item)}w")
        else:
            plain |= DAY.values(item)
    listed = [*map(str, sorted(plain)), *last]
    return [",".join(listed)] * bool(listed) + nearest


def _weekdays(word: str) -> list[str]:
    if word in ("*", "?"):
        return ["*"]
    plain: set[int] = set()
    special: list[str] = []
    for item in _items(WEEKDAY, word):
        name, hash_sign, count = item.partition("#")
        if hash_sign:
            if not count.isdecimal() or not 1 <= int(count) <= 5:
                raise WEEKDAY.bad(item, "a month has such a day 1 to 5 times; write one of these numbers after the #")
            special.append(f"{WEEKDAY.value(name, item) % 7}#{int(count)}")
        elif item == "L":
            raise WEEKDAY.bad(item, "name the day: FRIL is the last Friday of the month, SAT each Saturday")
        elif item.endswith("L") or item.startswith("L"):
            name = item[1:] if item.startswith("L") else item[:-1]
            special.append(f"L{WEEKDAY.value(name, item) % 7}")
        else:
            plain |= WEEKDAY.values(item)
    return [",".join(map(str, sorted(plain)))] * bool(plain) + [",".join(special)] * bool(special)


def _doubts(day: str, weekday: str) -> tuple[str, ...]:
    pair = (day, weekday)
    if "*" in pair or "?" in pair or not any(word.startswith("*") for word in pair):
        return ()
    return (
        f"day of month {shown(day)} and day of week {shown(weekday)} must both match, as in Debian's cron; "
        "other programs run when either does",
    )
