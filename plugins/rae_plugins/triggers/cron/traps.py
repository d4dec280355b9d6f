"""Traps in valid expressions, in which an expression says something else than was meant."""

from collections.abc import Iterator, Sequence

from rae_auto.model.primitives.escaping import quote_short
from rae_plugins.triggers.cron.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, Field

_COLUMNS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)
_ANY = ("*", "?")
_TIMES_PER_UNIT = 60


def find_traps(words: Sequence[str]) -> tuple[str, ...]:
    """Return warnings about an expression of five, six or seven fields in capitals, one line each."""
    start = len(words) > 5
    columns = (SECOND, *_COLUMNS) if start else _COLUMNS
    fields = list(zip(columns, words, strict=False))
    pairs = tuple(_find_day_pairs(*words[start:][2:5:2]))
    alone = [(column, word) for column, word in fields if not pairs or column not in (DAY, WEEKDAY)]
    return (*_find_repeated(words, has_seconds=start), *pairs, *_find_uneven(alone))


def _find_repeated(words: Sequence[str], *, has_seconds: bool) -> Iterator[str]:
    """Yield a warning where a `*` stands before a value: it repeats the start in each minute, or each second."""
    first, second = words[:2]
    unit, larger = ("second", "minute") if has_seconds else ("minute", "hour")
    if first == "*" and second != "*" and "-" not in second.partition("/")[0]:
        once = " ".join(("0", *words[1:])).lower()
        yield (
            f"starts every {unit} of each {larger} that matches {quote_short(second)}, {_TIMES_PER_UNIT} times; "
            f'write "{once}" to start once'
        )


def _find_day_pairs(day: str, weekday: str) -> Iterator[str]:
    if day in _ANY or weekday in _ANY:
        return
    pair = f"day of month {quote_short(day)} and day of week {quote_short(weekday)}"
    if day.startswith("*") or weekday.startswith("*"):
        yield f"{pair} must both match, as in Debian's cron; other programs run if either does"
        return
    hint = "; write MON#2 as day of week for the second Monday of a month" if "-" in day else ""
    yield f"{pair} are alternatives, as in cron: a date matches if either does{hint}"


def _find_uneven(fields: Sequence[tuple[Field, str]]) -> Iterator[str]:
    """Yield a warning for each step that leaves a shorter rest at the end of its field."""
    for column, word in fields:
        step = word.removeprefix("*/")
        if not word.startswith("*/") or not step.isdecimal() or column.size % int(step) == 0:
            continue
        last = column.lowest + (column.size - 1) // int(step) * int(step)
        rest = column.lowest + column.size - last
        if column is DAY:
            yield f"{column.name} {quote_short(word)} starts over on day 1 of each month, so its distances are uneven"
        else:
            yield (
                f"{column.name} {quote_short(word)} is uneven: after {column.name} {last} comes {column.lowest}, "
                f"only {rest} later; use an interval trigger for equal distances"
            )
