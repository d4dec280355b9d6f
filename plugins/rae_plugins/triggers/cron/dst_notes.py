"""Notes on starts that a DST change moves, or whose wall time comes twice: true of those to come and of past ones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rae_plugins.triggers.cron.clock_changes import NextWall

_SECOND = timedelta(seconds=1)


def describe_clock_change(instant: datetime, next_wall: NextWall, zone: ZoneInfo, *, is_wildcard: bool) -> str | None:
    """Return a line about an instant of a schedule, or None if no clock was set."""
    local = instant.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    before = (instant - _SECOND).astimezone(zone).replace(tzinfo=None, fold=0)
    if not is_wildcard and wall - before > _SECOND:
        requested = next_wall(before)
        if requested is not None and requested < wall:
            return f"{_clock(requested)} does not exist on {requested.date()} in {zone.key}; due at {_clock(wall)}"
    if _instant(wall, zone, 0) < _instant(wall, zone, 1):
        which = "both times, this is the second" if local.fold else "both times, this is the first"
        due = which if is_wildcard else "the first time"
        return f"{_clock(wall)} comes twice on {wall.date()} in {zone.key}; due {due}"
    return None


def _instant(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _clock(wall: datetime) -> str:
    return wall.strftime("%H:%M:%S" if wall.second else "%H:%M")
