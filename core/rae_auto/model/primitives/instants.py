"""Instants, timezone-aware and kept in UTC, and the moment that all clocks show."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from attrs import frozen

from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.primitives.formatting import quote


@quick_init
@frozen(weakref_slot=False)
class Moment:
    """Time of all clocks at one moment.

    `wall` (UTC) is for schedules and records: it can be stepped. `mono` (seconds from any origin,
    never going back) is for timeouts and delays: it can't. `slept` is how many seconds the machine was
    suspended since any origin, which `mono` doesn't count; 0 if unknown. Moments with the same `boot` count `mono` and
    `slept` from the same origin, also in different processes; it is empty where nothing is known about that.
    """

    wall: datetime
    mono: float
    slept: float = 0.0
    boot: str = ""

    def later(self, delay: timedelta) -> "Moment":
        """Return the moment `delay` after this one, provided that the wall clock is not set."""
        return Moment(self.wall + delay, self.mono + delay.total_seconds(), self.slept, self.boot)

    def elapsed_since(self, before: "Moment", *, with_sleep: bool = True) -> timedelta:
        """Return the time that has passed since an earlier moment, perhaps of another process; it is never negative.

        The wall clock counts only if the clocks that can't be set are of another boot.
        """
        if before.boot and before.boot == self.boot and self.mono >= before.mono:
            slept = max(self.slept - before.slept, 0.0) if with_sleep else 0.0
            return timedelta(seconds=self.mono - before.mono + slept)
        return max(self.wall - before.wall, timedelta(0))


def as_utc(value: datetime) -> datetime:
    """Return an aware datetime in UTC. Raises ValueError for a naive one."""
    if value.tzinfo is None:
        raise ValueError(f'instant {value.isoformat()} has no offset; add one, as in "2026-01-31T18:00:00+01:00"')
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def parse_instant(text: str) -> datetime:
    """Parse ISO 8601 text with an offset. Raises ValueError."""
    try:
        return as_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        shown = text if len(text) <= 60 else text[:60] + "…"
        raise ValueError(
            f'invalid instant {quote(shown)}; use ISO 8601 with an offset, as in "2026-01-31T18:00:00+01:00"'
        ) from error


# Cached because a thousand records may share one instant.
@lru_cache(maxsize=256)
def format_instant(value: datetime) -> str:
    """Return an instant as ISO 8601 in UTC, as records store it."""
    return as_utc(value).isoformat()
