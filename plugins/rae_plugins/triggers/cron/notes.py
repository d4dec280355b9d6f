"""What to tell of an instant that a clock that was set has moved, or brings twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rae_plugins.triggers.cron.clock_changes import NextWall

_SECOND = timedelta(seconds=1)


def note_on(instant: datetime, next_wall: NextWall, zone: ZoneInfo, *, wild: bool) -> str | None:
    """A line on an instant of a schedule; None where no clock was set."""
    local = instant.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    before = (instant - _SECOND).astimezone(zone).replace(tzinfo=None, fold=0)
    if not wild and wall - before > _SECOND:
        asked = next_wall(before)
        if asked is not None and asked < wall:
            return f"{_clock(asked)} does not exist on {asked.date()} in {zone.key}; ran at {_clock(wall)}"
    if _instant(wall, zone, 0) < _instant(wall, zone, 1):
        which = "both times, this is the second" if local.fold else "both times, this is the first"
        ran = which if wild else "the first time"
        return f"{_clock(wall)} comes twice on {wall.date()} in {zone.key}; ran {ran}"
    return None


def _instant(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _clock(wall: datetime) -> str:
    return wall.strftime("%H:%M:%S" if wall.second else "%H:%M")
