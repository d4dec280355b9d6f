"""Pauses that end by themselves: when each of them ends, by the wall clock."""

from collections.abc import Iterator
from datetime import datetime

from rae_auto.engine.undo_log import RevertibleDict, RevertibleHeap, UndoLog
from rae_auto.model.primitives.names import JobId


class PauseEnds:
    """The ends of pauses, in order. An entry of the heap whose job has another end by now is stale."""

    def __init__(self, undo_log: UndoLog) -> None:
        self._ends: RevertibleDict[JobId, datetime] = RevertibleDict(undo_log)
        self._heap: RevertibleHeap[tuple[datetime, int, JobId]] = RevertibleHeap(undo_log)
        self._count = 0

    def set(self, job: JobId, until: datetime | None) -> None:
        """Let the pause of a job end at `until`, or not by itself."""
        if until is None:
            self._ends.pop(job)
        elif self._ends.get(job) != until:
            self._ends[job] = until
            self._count += 1
            self._heap.push((until, self._count, job))

    def next_at(self) -> datetime | None:
        """Return when the next pause ends."""
        heap = self._heap
        while heap and self._ends.get(heap[0][2]) != heap[0][0]:
            heap.pop_least()
        return heap[0][0] if heap else None

    def pop_due(self, now: datetime) -> Iterator[JobId]:
        """Yield the jobs whose pause is over, and remove its end."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, job = heap.pop_least()
            if self._ends.get(job) == at:
                self._ends.pop(job)
                yield job
