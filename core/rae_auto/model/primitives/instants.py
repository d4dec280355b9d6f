"""Instants: timezone-aware, kept in UTC; and the pair of clocks by which the engine lives."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from attrs import frozen


@frozen
class Moment:
    """Time of all clocks at one moment.

    `wall` (UTC) is for schedules and records: it can be stepped. `mono` (seconds from any origin,
    never going back) is for timeouts and delays: it can't. `slept` is how many seconds the machine was
    suspended since any origin, which `mono` doesn't count; 0 where that can't be told.
    """

    wall: datetime
    mono: float
    slept: float = 0.0

    def later(self, delay: timedelta) -> "Moment":
        """Return the moment `delay` after this one, provided that the wall clock is not set."""
        return Moment(self.wall + delay, self.mono + delay.total_seconds(), self.slept)


def as_utc(value: datetime) -> datetime:
    """`value` in UTC; ValueError for a naive one, which names no instant."""
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; an instant needs one")
    return value.astimezone(UTC)


def parse_instant(text: str) -> datetime:
    """Parse ISO 8601 text with an offset. Raises ValueError."""
    try:
        return as_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        shown = text if len(text) <= 60 else text[:60] + "…"
        raise ValueError(
            f"{shown!r} is no instant; write ISO 8601 with an offset: 2026-01-31T18:00:00+01:00"
        ) from error


# Of a thousand things that happen at one moment all are told with it.
@lru_cache(maxsize=256)
def format_instant(value: datetime) -> str:
    """ISO 8601 in UTC, as records keep it."""
    return as_utc(value).isoformat()
