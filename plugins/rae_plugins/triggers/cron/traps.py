"""Traps in valid expressions, in which an expression says something else than was meant."""

import re
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
    """Yield a warning for each step that leaves a shorter rest, at the end of its field or of its range."""
    for column, word in fields:
        span, _, step_text = word.partition("/")
        if not step_text.isdecimal():
            continue
        step, named = int(step_text), f"{column.name} {quote_short(word)}"
        if match := re.fullmatch(r"(\d+)-(\d+)", span):
            first, end = int(match[1]), int(match[2])
            last = first + (end - first) // step * step
            if first < last < end:
                written = f"{first}-{last}/{step}"
                yield f'{named} ends with {last}, because the step does not divide the range; write "{written}"'
            continue
        # From a later value on it ends on purpose before it starts over.
        first = column.lowest
        if span not in ("*", str(first)) or column.size % step == 0:
            continue
        last = first + (column.size - 1) // step * step
        rest = first + column.size - last
        if column is DAY:
            yield f"{named} starts over on day 1 of each month, so its distances are uneven"
        else:
            yield (
                f"{named} is uneven: after {column.name} {last} comes {first}, "
                f"only {rest} later; use an interval trigger for equal distances"
            )
