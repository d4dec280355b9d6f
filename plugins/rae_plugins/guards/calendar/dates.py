"""Days and stretches of time as a configuration has them: 2026-12-24, 2026-12-24..2026-12-31, 2026-12-24T18:00.."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from rae_plugins.guards.calendar.events import Event, Length
from rae_plugins.guards.lines import shown
from rae_plugins.machine.wall_clock import first_shown

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_REMEDY = "write 2026-12-24, 2026-12-24..2026-12-31 or 2026-12-24T18:00..2026-12-27T06:00"


def event_of(text: str, zone: tzinfo) -> Event:
    """The event of an entry; days are those of the zone, and so are times without an offset. Errors: ValueError.

    A range of days has its last day too; a time that ends a range is the first that is outside.
    """
    first, dots, last = text.partition("..")
    try:
        low, low_is_day = _point(first, zone)
        high, high_is_day = _point(last, zone) if dots else (low, low_is_day)
    except (ValueError, OverflowError):
        raise ValueError(f"'dates' must hold days or times, not {shown(repr(text))}; {_REMEDY}") from None
    if not dots and not low_is_day:
        raise ValueError(f"'dates' must say until when {shown(repr(text))} lasts; {_REMEDY}")
    if low_is_day and high_is_day:
        length = Length(days=(high - low).days + 1)
        empty = high < low
    else:
        after = high + timedelta(days=1) if high_is_day else high
        length = Length(exact=first_shown(after, zone) - first_shown(low, zone))
        empty = length.exact <= timedelta(0)
    if empty:
        raise ValueError(f"'dates' must hold ranges that end after they begin, not {shown(repr(text))}")
    return Event(text, low, zone, length)


def _point(text: str, zone: tzinfo) -> tuple[datetime, bool]:
    """A wall time of the zone, and whether it stands for a day."""
    if _DAY.fullmatch(text):
        return datetime.combine(date.fromisoformat(text), datetime.min.time()), True
    if "-" not in text or ":" not in text:
        raise ValueError(text)
    time = datetime.fromisoformat(text)
    if time.tzinfo is not None:
        time = time.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)
    return time, False
