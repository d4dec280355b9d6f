"""What is to happen after a while, by the monotonic clock."""

import heapq
from collections.abc import Iterator
from enum import Enum, auto

from rae_auto.model.primitives.names import RunId

NO_RUN = RunId("")


class Alarm(Enum):
    """What a timer is for."""

    READY = auto()
    """A delay is over: the run may be looked at again."""
    GUARD = auto()
    """A guard that kept the run from starting may have changed its mind."""
    TIMEOUT = auto()
    """The attempt has had its time."""
    GRACE_OVER = auto()
    """A shutdown has waited long enough."""


Timer = tuple[Alarm, RunId, int]
"""The alarm, and the run and attempt that it is for."""


class Timers:
    """Pending alarms. None is ever taken back: whoever handles one looks whether it still means anything."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._set = 0

    def set(self, at: float, alarm: Alarm, run: RunId = NO_RUN, attempt: int = 0) -> None:
        """Let the alarm go off at `at` (monotonic seconds)."""
        self._set += 1
        heapq.heappush(self._heap, (at, self._set, (alarm, run, attempt)))

    def next(self) -> float | None:
        """When the next one goes off."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[Timer]:
        """Those whose time has come, in order."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]
