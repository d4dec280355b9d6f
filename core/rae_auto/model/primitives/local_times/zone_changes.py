"""Instants at which the clock of a zone is changed, to summer time for instance."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)
_STEP = timedelta(days=1)


def find_clock_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """Return the first instant after `after`, and up to `until`, at which the clock of the zone is changed."""
    early = after
    while early < until:
        late = min(early + _STEP, until)
        if early.astimezone(zone).utcoffset() != late.astimezone(zone).utcoffset():
            return bisect_clock_change(zone, early, late)
        early = late
    return None


def bisect_clock_change(zone: ZoneInfo, early: datetime, late: datetime) -> datetime:
    """Return the instant between the two at which the clock of the zone is changed, to the second."""
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == before else (early, middle)
    return late.replace(microsecond=0)
