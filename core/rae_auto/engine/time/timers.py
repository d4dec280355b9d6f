"""Timers: alarms to ring after a while, by the monotonic clock."""

from collections.abc import Container, Iterator
from enum import Enum, auto

from rae_auto.engine.undo_log import RevertibleHeap, UndoLog
from rae_auto.model.primitives.names import NO_RUN, RunId


class Alarm(Enum):
    """The purpose of a timer."""

    READY = auto()
    """A delay is over: the run may be queued."""
    GUARD = auto()
    """A guard that blocked the run may have changed its answer."""
    TIMEOUT = auto()
    """The attempt has used up its time."""
    OVERRUN = auto()
    """The run has been running for as long as its job's expectation allows."""
    OVERDUE = auto()
    """The job's next success has been due for as long as its expectation allows."""
    NOTICE = auto()
    """A notice that was held back, or could not be delivered, may be delivered; the subject is its key."""
    FAULT_RETRY = auto()
    """A run that a fault kept from starting is tried again; the subject is what it is blocked by."""
    DECIDE_AGAIN = auto()
    """Due instants of the job could not be decided because of a fault: they are decided again."""
    GRACE_OVER = auto()
    """The grace of a shutdown is over."""
    SAVE_INTERRUPTIONS = auto()
    """Runs that a shutdown interrupts and that have not ended yet are to be remembered as interrupted."""


_OF_RUNS = (Alarm.READY, Alarm.GUARD, Alarm.TIMEOUT, Alarm.OVERRUN)

MIN_TIMERS_KEPT = 1000
"""Number of timers up to which those of runs that are over are not looked for."""

Timer = tuple[Alarm, str, int]
"""An alarm, and the run (or the job) and the attempt that it is for."""


class Timers:
    """Pending alarms. None is ever taken back: the handler of one checks that it still means anything.

    Those of runs that are over are forgotten whenever the number of timers has doubled, or a job with a timeout of an
    hour that runs each second would have 3,600 of them.
    """

    def __init__(self, undo_log: UndoLog) -> None:
        self._heap: RevertibleHeap[tuple[float, int, Timer]] = RevertibleHeap(undo_log)
        self._count = 0
        self._max_timers = MIN_TIMERS_KEPT

    def set(self, at: float, alarm: Alarm, subject: str = NO_RUN, attempt: int = 0) -> None:
        """Let the alarm ring at `at` (monotonic seconds)."""
        self._count += 1
        self._heap.push((at, self._count, (alarm, subject, attempt)))

    def forget_closed(self, open_runs: Container[RunId]) -> None:
        """Forget timers of runs that are over, if there may be many. Call it between two turns."""
        if len(self._heap) > self._max_timers:
            self._heap.retain(
                [timer for timer in self._heap if timer[2][0] not in _OF_RUNS or timer[2][1] in open_runs]
            )
            self._max_timers = max(2 * len(self._heap), MIN_TIMERS_KEPT)

    def next_at(self) -> float | None:
        """Return when the next one rings (monotonic seconds)."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Iterator[Timer]:
        """Yield and remove those whose time has come, in order."""
        while self._heap and self._heap[0][0] <= now:
            yield self._heap.pop_least()[2]
