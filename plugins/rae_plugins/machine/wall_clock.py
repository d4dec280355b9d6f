"""Wall-clock times and their changes, where it may be set forward (a gap) or back (a fold).

For what is a function of what the clock shows, as guards are, the rule is that and no more. So a bound that lies in
a gap counts at the gap's end, when the clock first shows a later time; and what is repeated in a fold holds in both
passes. A wall time that stands for one instant is the first at which the clock shows it or, after a gap, a later one.

Only UTC offsets count, and they are asked of the zone at call time. In no zone have two changes ever been less than
three days apart, so a stretch of a day or two has one at most.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

_SECOND = timedelta(seconds=1)
_MAX_BOUNDS = 16
"""Bounds that are examined: a week has seven midnights, and the clock may be set between them."""


def wall_time_at(instant: datetime, zone: tzinfo) -> datetime:
    """Return the naive wall time that the clock of a zone shows."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def next_change(
    holds: Callable[[datetime], bool], next_bound: Callable[[datetime], datetime], zone: tzinfo, instant: datetime
) -> datetime | None:
    """Return the first instant (UTC) after `instant` at which `holds` changes; None if it is far away.

    `next_bound` is the first wall time strictly after another, and at most a day, at which `holds` may differ.
    """
    at = instant.astimezone(UTC)
    before = holds(wall_time_at(at, zone))
    try:
        for _ in range(_MAX_BOUNDS):
            wall = wall_time_at(at, zone)
            bound = at + (next_bound(wall) - wall)
            at = _clock_set(at, bound, zone) or bound
            if holds(wall_time_at(at, zone)) != before:
                return at
    except OverflowError:  # at the end of Python's calendar
        pass
    return None


def first_instant_of(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first instant (UTC) that a wall time stands for."""
    early, late = _passes(wall, zone)
    if early == late or wall_time_at(early, zone) == wall:
        return early
    return clock_change_around(wall, zone)


def clock_change_around(wall: datetime, zone: tzinfo) -> datetime:
    """Return the instant (UTC) of the clock change that skips or repeats a wall time."""
    early, late = _passes(wall, zone)
    return _clock_set(early, late, zone) or late


def _passes(wall: datetime, zone: tzinfo) -> list[datetime]:
    return sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _clock_set(early: datetime, late: datetime, zone: tzinfo) -> datetime | None:
    """Return the instant of a clock change after `early` and up to `late`, to the second; None without one."""
    before = early.astimezone(zone).utcoffset()
    if late.astimezone(zone).utcoffset() == before:
        return None
    early = early.replace(microsecond=0)
    while late - early > _SECOND:
        middle = early + (late - early) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late
