"""Timers: alarms to ring after a while, by the monotonic clock."""

from collections.abc import Iterator
from enum import Enum, auto

from rae_auto.engine.undo_log import RevertibleHeap, UndoLog
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
    FAULT_RETRY = auto()
    """A run that a fault kept from starting is tried again; the subject is what it is blocked by."""
    DECIDE_AGAIN = auto()
    """Due instants of the job could not be decided because of a fault: they are decided again."""
    GRACE_OVER = auto()
    """The grace of a shutdown is over."""


Timer = tuple[Alarm, str, int]
"""An alarm, and the run (or the job) and the attempt that it is for."""


class Timers:
    """Pending alarms. None is ever taken back: the handler of one checks that it still means anything."""

    def __init__(self, undo_log: UndoLog) -> None:
        self._heap: RevertibleHeap[tuple[float, int, Timer]] = RevertibleHeap(undo_log)
        self._count = 0

    def set(self, at: float, alarm: Alarm, subject: str = NO_RUN, attempt: int = 0) -> None:
        """Let the alarm ring at `at` (monotonic seconds)."""
        self._count += 1
        self._heap.push((at, self._count, (alarm, subject, attempt)))

    def next_at(self) -> float | None:
        """Return when the next one rings (monotonic seconds)."""
        first = self._heap.peek()
        return None if first is None else first[0]

    def pop_due(self, now: float) -> Iterator[Timer]:
        """Yield and remove those whose time has come, in order."""
        while (at := self.next_at()) is not None and at <= now:
            yield self._heap.pop()[2]
