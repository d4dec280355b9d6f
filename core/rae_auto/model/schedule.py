"""What the engine needs of a schedule: the next instant, as a pure function."""

from datetime import datetime
from typing import Protocol


class Schedule(Protocol):
    """A reason to run that can be computed. Equal schedules are hashed and computed once for all their jobs."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first instant (aware) strictly after `instant`, or None where there is none. No clock, no state."""
        ...
