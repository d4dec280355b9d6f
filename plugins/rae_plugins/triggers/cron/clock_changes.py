"""From wall times to instants, where the clock may be set forward (a gap) or back (a fold).

Only UTC offsets count, and they are asked of the zone at call time. A *fixed* schedule runs once for each
wall time: at the first instant at which the clock shows that time or, after a gap, a later one. A *wild* one
runs at each instant at which the clock shows a match: in both passes of a fold, not at all in a gap.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rae_plugins.machine.wall_clock import first_shown, set_around

NextWall = Callable[[datetime], datetime | None]
"""The first match on the wall strictly after a naive wall time, or None."""

_SECOND = timedelta(seconds=1)


def next_fixed(next_wall: NextWall, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first run of a fixed schedule strictly after the instant `after`, in UTC."""
    local = after.astimezone(zone)
    shown = _naive(local)
    if local.fold:
        # The first pass has shown these times already, up to the moment when the clock was set back.
        shown = _before(set_around(shown, zone), zone)
    wall = next_wall(shown)
    return None if wall is None else first_shown(wall, zone)


def next_wild(next_wall: NextWall, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first run of a wild schedule strictly after the instant `after`, in UTC."""
    local = after.astimezone(zone)
    shown = _naive(local)
    wall = next_wall(shown)
    if not local.fold and _instant(shown, zone, 0) < _instant(shown, zone, 1):
        # In a first pass. The clock shows earlier times again before it shows those after the fold.
        change = set_around(shown, zone)
        if wall is None or wall > _before(change, zone):
            wall = next_wall(_naive(change.astimezone(zone)) - _SECOND)
    while wall is not None:
        for fold in (0, 1):
            instant = _instant(wall, zone, fold)
            if instant > after and _exists(instant, wall, zone):
                return instant
        wall = next_wall(_naive(set_around(wall, zone).astimezone(zone)) - _SECOND)
    return None


def _naive(local: datetime) -> datetime:
    return local.replace(tzinfo=None, fold=0, microsecond=0)


def _instant(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _exists(instant: datetime, wall: datetime, zone: ZoneInfo) -> bool:
    return _naive(instant.astimezone(zone)) == wall


def _before(change: datetime, zone: ZoneInfo) -> datetime:
    """The last full second that the clock shows before it is set."""
    return _naive((change - _SECOND).astimezone(zone))
