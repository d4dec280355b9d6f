"""The part of a schedule that the engine uses: the next instant, as a pure function."""

from datetime import datetime, timedelta
from typing import Protocol


class Schedule(Protocol):
    """A schedule. Hashable; equal ones are computed once for all their jobs."""

    def __hash__(self) -> int: ...

    @property
    def jitter(self) -> timedelta:
        """The maximum delay of a start; each job and instant has a fixed share of it."""
        ...

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first instant (aware) strictly after `instant`, or None. Pure: no clock, no state."""
        ...
