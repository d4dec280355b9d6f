"""The queue: runs in the order in which they may start, by priority with ageing.

A level of priority is a head start of `HEAD_START_PER_LEVEL` in the queue. So the rank of a run is fixed when it is
queued (its time, less its head start), a heap needs no re-sorting, and every run is first at some time: nothing
starves.
"""

from datetime import datetime, timedelta

from rae_auto.engine.undo_log import RevertibleHeap, UndoLog
from rae_auto.model.policies import Priority
from rae_auto.model.primitives.names import RunId

HEAD_START_PER_LEVEL = timedelta(minutes=5)


def queue_rank(priority: Priority, queued_at: datetime) -> float:
    """Return the rank in the queue (seconds): the lower one goes first."""
    return queued_at.timestamp() - priority * HEAD_START_PER_LEVEL.total_seconds()


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
        return None if self._heap.peek() is None else self._heap.pop()[2]
