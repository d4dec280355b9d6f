"""The outbox as a part of the engine's state: notices by key, those that are ready, and those that are on their way.

It only keeps account; `deliveries` decides about each notice.
"""

from collections.abc import Iterable, Iterator

from rae_auto.engine.undo_log import RevertibleDict, UndoLog
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.names import JobId

Keys = RevertibleDict[str, None]
"""Keys of notices, in the order in which they came."""


class Outbox:
    """Notices that wait for their delivery, the oldest first.

    Each is held back, waits for its next try, is ready (in the queue of its notifier), is under way, or given up.
    """

    def __init__(self, undo_log: UndoLog) -> None:
        self._undo_log = undo_log
        self.notices: RevertibleDict[str, OutboxNotice] = RevertibleDict(undo_log)
        self._of_job: RevertibleDict[tuple[str, JobId], Keys] = RevertibleDict(undo_log)
        self._ready: RevertibleDict[str, Keys] = RevertibleDict(undo_log)
        self._under_way: RevertibleDict[str, JobId] = RevertibleDict(undo_log)
        self._deliveries: RevertibleDict[str, int] = RevertibleDict(undo_log)

    def put(self, notice: OutboxNotice) -> None:
        """Add a notice, or change it."""
        self.notices[notice.key] = notice
        keys = self._of_job.get((notice.notifier, notice.job))
        if notice.given_up_at is not None:
            if keys is not None:
                keys.pop(notice.key)
            return
        if keys is None:
            keys = self._of_job[notice.notifier, notice.job] = RevertibleDict(self._undo_log)
        keys[notice.key] = None

    def remove(self, notice: OutboxNotice) -> None:
        """Remove a notice."""
        self.notices.pop(notice.key)
        self._under_way.pop(notice.key)
        place = (notice.notifier, notice.job)
        keys = self._of_job.get(place)
        if keys is not None:
            keys.pop(notice.key)
            if not keys:
                self._of_job.pop(place)

    def count_waiting(self, notifier: str, job: JobId) -> int:
        """Return the number of notices about a job that wait for a notifier."""
        return len(self._of_job.get((notifier, job), ()))

    def find_oldest(self, notifier: str, job: JobId) -> OutboxNotice | None:
        """Return the oldest notice about a job for a notifier that is not under way."""
        return self._first_at_rest(self._of_job.get((notifier, job), ()))

    def find_oldest_of_all(self) -> OutboxNotice | None:
        """Return the oldest notice that is not under way."""
        return self._first_at_rest(self.notices)

    def _first_at_rest(self, keys: Iterable[str]) -> OutboxNotice | None:
        key = next((key for key in keys if key not in self._under_way), None)
        return None if key is None else self.notices[key]

    def given_up(self) -> list[OutboxNotice]:
        """Return the notices that are never tried again, the oldest first."""
        return [notice for notice in self.notices.values() if notice.given_up_at is not None]

    def make_ready(self, notice: OutboxNotice) -> None:
        """Put a notice into the queue of its notifier, unless it is there, or under way."""
        if notice.key not in self._under_way:
            if notice.notifier not in self._ready:
                self._ready[notice.notifier] = RevertibleDict(self._undo_log)
            if notice.key not in self._ready[notice.notifier]:
                self._ready[notice.notifier][notice.key] = None

    def take_ready(self, notifier: str, max_deliveries: int) -> OutboxNotice | None:
        """Take the first notice out of the queue that may be delivered now; None if there is none.

        Of a job one at a time is under way, so that a recovery does not overtake the failure.
        """
        ready = self._ready.get(notifier)
        if not ready or self._deliveries.get(notifier, 0) >= max_deliveries:
            return None
        busy = {job for key, job in self._under_way.items() if self.notices[key].notifier == notifier}
        for key in list(ready):
            notice = self.notices.get(key)
            if notice is None or key in self._under_way or notice.given_up_at is not None:
                ready.pop(key)
            elif notice.job not in busy:
                ready.pop(key)
                return notice
        return None

    def begin(self, notices: Iterable[OutboxNotice]) -> None:
        """Note that a delivery of these notices, all for one notifier, is under way."""
        notifier = ""
        for notice in notices:
            self._under_way[notice.key] = notice.job
            notifier = notice.notifier
        self._deliveries[notifier] = self._deliveries.get(notifier, 0) + 1

    def end(self, keys: Iterable[str]) -> list[OutboxNotice]:
        """Note that the delivery of these notices has ended, and return those that are still there."""
        found = [self.notices[key] for key in keys if self._under_way.pop(key) is not None]
        for notifier in {notice.notifier for notice in found}:
            self._deliveries[notifier] -= 1
        return found

    def __iter__(self) -> Iterator[OutboxNotice]:
        """Iterate over all notices, the oldest first."""
        return iter(list(self.notices.values()))

    def __len__(self) -> int:
        return len(self.notices)

    def is_under_way(self, notice: OutboxNotice) -> bool:
        """Tell whether a notice is being delivered."""
        return notice.key in self._under_way
