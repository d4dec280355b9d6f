"""The queue: runs in the order in which they may start, by priority with ageing.

A level of priority is a head start of `HEAD_START_PER_LEVEL` in the queue. So the rank of a run is fixed when it is
queued (its time, less its head start), a heap needs no re-sorting, and every run is first at some time: nothing
starves. That time is monotonic: after the wall clock was set back, whatever comes next would be before all that waits.

Runs that wait for resources stand in a line of their own by the same rank. A run that needs several resources, or
several units, would wait for ever while others take one at a time what becomes free. So the first one in the line,
once it has waited for `RESERVATION_DELAY_SECONDS`, has what it needs reserved: no run of a later rank takes it. Before
that others may overtake it, because a resource that is free and unused is wasted. Only the first one has a
reservation, so no two runs wait for each other.
"""

from datetime import timedelta

from rae_auto.engine.undo_log import RevertibleDict, RevertibleHeap, UndoLog
from rae_auto.model.policies import Priority
from rae_auto.model.primitives.names import RunId

HEAD_START_PER_LEVEL = timedelta(minutes=5)
_HEAD_START_SECONDS = HEAD_START_PER_LEVEL.total_seconds()

RESERVATION_DELAY_SECONDS = 60.0
"""Time after which the resources of the first run that waits for some are reserved for it."""


def queue_rank(priority: Priority, queued_mono: float) -> float:
    """Return the rank in the queue (seconds): the lower one goes first."""
    return queued_mono - priority * _HEAD_START_SECONDS


class Queue:
    """Runs in the order in which they may start; equal ranks by arrival."""

    def __init__(self, undo_log: UndoLog) -> None:
        self._heap: RevertibleHeap[tuple[float, int, RunId]] = RevertibleHeap(undo_log)
        self._arrivals = 0

    def push(self, run: RunId, rank: float) -> None:
        """Queue a run at its rank."""
        self._arrivals += 1
        self._heap.push((rank, self._arrivals, run))

    def pop(self) -> RunId | None:
        """Remove and return the first one, or None."""
        return self._heap.pop_least()[2] if self._heap else None


class ResourceLine:
    """Runs that wait for resources, in the order of their ranks. Any of them may leave at any time."""

    def __init__(self, undo_log: UndoLog) -> None:
        self._heap: RevertibleHeap[tuple[float, RunId]] = RevertibleHeap(undo_log)
        self._in_heap: RevertibleDict[RunId, None] = RevertibleDict(undo_log)
        self._waiting_since: RevertibleDict[RunId, float] = RevertibleDict(undo_log)

    def enter(self, run: RunId, rank: float, since: float) -> None:
        """Let a run wait, which it has done since then (monotonic seconds), with or without a break."""
        self._waiting_since[run] = since
        if run not in self._in_heap:
            self._in_heap[run] = None
            self._heap.push((rank, run))

    def leave(self, run: RunId) -> None:
        """Let a run wait no more."""
        self._waiting_since.pop(run)

    def first(self, now: float) -> tuple[float, RunId] | None:
        """Return the rank and the run that others may not overtake, if there is one."""
        heap = self._heap
        while heap and heap[0][1] not in self._waiting_since:
            del self._in_heap[heap.pop_least()[1]]
        if not heap or now - self._waiting_since[heap[0][1]] < RESERVATION_DELAY_SECONDS:
            return None
        return heap[0]
