"""From wall times to instants across DST changes, where the clock is set forward (a gap) or back (a fold).

POSIX (crontab) says nothing about DST. The rules are those of the crons that descend from Vixie's (Debian's cron
3.0pl1, cronie): they treat jobs with fixed times and wildcard jobs differently.

| schedule                                              | in a gap                          | in a fold              |
| ----------------------------------------------------- | --------------------------------- | ---------------------- |
| fixed: minute, hour and second do not begin with `*`   | once, at the end of the gap       | once, the first time   |
| wildcard: one of them begins with `*`                  | not at all, the times do not exist | both times            |

A *fixed* schedule is a set of wall times, each of which stands for one instant: the first at which the clock shows it
or, after a gap, a later one. So every wall time runs exactly once, and several that lie in one gap run once together.
A *wildcard* schedule is a predicate of the wall clock: it runs at each instant at which the clock shows a match.

Debian and cronie apply them to changes of less than three hours only. Here they hold for every change: when Apia
skipped 2011-12-30, its fixed jobs ran once at 2011-12-31 00:00. Only UTC offsets count, never `dst()`, and the zone is
asked for them at call time, so a new tz database takes effect at once.

Considered and rejected: croniter's own handling of
aware datetimes, which runs a repeated fixed time twice; moving a missing time by the size of the gap (02:30 to 03:30,
as cron-parser does); and skipping it (as systemd and Quartz do).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rae_plugins.machine.wall_clock import clock_change_around, first_instant_of

NextWall = Callable[[datetime], datetime | None]
"""Returns the first match strictly after a naive wall time, or None."""

_SECOND = timedelta(seconds=1)

_NO_TIME = timedelta(0)

_MAX_STEADY = timedelta(days=2)
"""A stretch of time in which a clock is set once at most: see `wall_clock`."""


def find_next_fixed(next_wall: NextWall, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first run of a fixed schedule strictly after the instant `after`, in UTC."""
    local = after.astimezone(zone)
    shown = _naive(local)
    if local.fold:
        # The first pass has already shown these times, up to the moment when the clock was set back.
        shown = _last_second_before(clock_change_around(shown, zone), zone)
    wall = next_wall(shown)
    if wall is None:
        return None
    return _find_without_change(after, local, wall - shown) or first_instant_of(wall, zone)


def find_next_wild(next_wall: NextWall, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first run of a wildcard schedule strictly after the instant `after`, in UTC."""
    local = after.astimezone(zone)
    shown = _naive(local)
    wall = next_wall(shown)
    if wall is not None and (instant := _find_without_change(after, local, wall - shown)) is not None:
        return instant
    if not local.fold and local.utcoffset() != local.replace(fold=1).utcoffset():
        # In the first pass of a fold: the clock shows earlier times again before it shows those after the fold.
        change = clock_change_around(shown, zone)
        if wall is None or wall > _last_second_before(change, zone):
            wall = next_wall(_naive(change.astimezone(zone)) - _SECOND)
    while wall is not None:
        for fold in (0, 1):
            instant = _instant(wall, zone, fold)
            if instant > after and _exists(instant, wall, zone):
                return instant
        wall = next_wall(_naive(clock_change_around(wall, zone).astimezone(zone)) - _SECOND)
    return None


def _find_without_change(after: datetime, local: datetime, ahead: timedelta) -> datetime | None:
    """Return the instant at which the clock shows a time so far `ahead` of `after`, if it isn't set until then.

    `local` is what the clock shows at `after`. Returns None if the clock is set, or may be.

    Where both ends have the same offset, and at most `_MAX_STEADY` between them, the clock isn't set in between.
    So each time there comes once, in both kinds of schedules. The second pass of a fold follows a change: left out.
    """
    if local.fold or not _NO_TIME < ahead <= _MAX_STEADY:
        return None
    instant = after.astimezone(UTC) + ahead
    if local.microsecond:
        instant -= timedelta(microseconds=local.microsecond)
    return instant if instant.astimezone(local.tzinfo).utcoffset() == local.utcoffset() else None


def _naive(local: datetime) -> datetime:
    # Not by `replace`, which takes three times as long.
    naive = datetime.combine(local.date(), local.time())
    return naive.replace(fold=0, microsecond=0) if naive.fold or naive.microsecond else naive


def _instant(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _exists(instant: datetime, wall: datetime, zone: ZoneInfo) -> bool:
    return _naive(instant.astimezone(zone)) == wall


def _last_second_before(change: datetime, zone: ZoneInfo) -> datetime:
    """Return the last full second that the clock shows before it is set."""
    return _naive((change - _SECOND).astimezone(zone))
