"""What the engine needs of a schedule: the next instant, as a pure function."""

from datetime import datetime, timedelta
from typing import Protocol


class Schedule(Protocol):
    """A reason to run that can be computed. Hashable; equal ones are computed once for all their jobs."""

    def __hash__(self) -> int: ...

    @property
    def jitter(self) -> timedelta:
        """Up to how much later a run may start, a fixed share of it for each job and instant."""
        ...

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first instant (aware) strictly after `instant`, or None. Pure: no clock, no state."""
        ...
