"""Timers: alarms to ring after a while, by the monotonic clock."""

import heapq
from collections.abc import Iterator
from enum import Enum, auto

from rae_auto.model.primitives.names import RunId

NO_RUN = RunId("")


class Alarm(Enum):
    """The purpose of a timer."""

    READY = auto()
    """A delay is over: the run may be queued."""
    GUARD = auto()
    """A guard that blocked the run may have changed its answer."""
    TIMEOUT = auto()
    """The attempt has used up its time."""
    GRACE_OVER = auto()
    """The grace of a shutdown is over."""


Timer = tuple[Alarm, RunId, int]
"""An alarm, and the run and attempt that it is for."""


class Timers:
    """Pending alarms. None is ever taken back: the handler of one checks that it still means anything."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0

    def set(self, at: float, alarm: Alarm, run: RunId = NO_RUN, attempt: int = 0) -> None:
        """Let the alarm ring at `at` (monotonic seconds)."""
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, (alarm, run, attempt)))

    def next_at(self) -> float | None:
        """Return when the next one rings (monotonic seconds)."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Iterator[Timer]:
        """Yield and remove those whose time has come, in order."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]
