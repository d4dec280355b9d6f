"""Entries of the option `dates`: 2026-12-24, 2026-12-24..2026-12-31, 2026-12-24T18:00..2026-12-27T06:00."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from rae_auto.model.primitives.escaping import quote_short
from rae_plugins.calendars.events import CalendarEvent, EventLength
from rae_plugins.machine.wall_clock import first_instant_of

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HINT = "use a form like 2026-12-24, 2026-12-24..2026-12-31 or 2026-12-24T18:00..2026-12-27T06:00"


def parse_date_entry(text: str, zone: tzinfo) -> CalendarEvent:
    """Return the event of an entry; days, and times without an offset, are those of the zone. Errors: ValueError.

    A range of days includes its last day; a range that ends with a time excludes that time.
    """
    first, dots, last = text.partition("..")
    try:
        low, low_is_day = _parse_point(first, zone)
        high, high_is_day = _parse_point(last, zone) if dots else (low, low_is_day)
    except (ValueError, OverflowError):
        raise ValueError(f'invalid entry {quote_short(text)} in "dates"; {_HINT}') from None
    if not dots and not low_is_day:
        raise ValueError(f'entry {quote_short(text)} in "dates" has no end; {_HINT}')
    if low_is_day and high_is_day:
        length = EventLength(days=(high - low).days + 1)
        is_empty = high < low
    else:
        after = high + timedelta(days=1) if high_is_day else high
        length = EventLength(exact=first_instant_of(after, zone) - first_instant_of(low, zone))
        is_empty = length.exact <= timedelta(0)
    if is_empty:
        raise ValueError(f'entry {quote_short(text)} in "dates" ends before it begins; swap its ends')
    return CalendarEvent(text, low, zone, length)


def _parse_point(text: str, zone: tzinfo) -> tuple[datetime, bool]:
    """Return a wall time of the zone, and whether it stands for a day."""
    if _DAY.fullmatch(text):
        return datetime.combine(date.fromisoformat(text), datetime.min.time()), True
    if "-" not in text or ":" not in text:
        raise ValueError(text)
    time = datetime.fromisoformat(text)
    if time.tzinfo is not None:
        time = time.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)
    return time, False
