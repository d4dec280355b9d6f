"""Attempts that wait in a queue elsewhere, as that of a cluster: reported when they leave it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from rae_auto.api.executor import Execution
from rae_auto.engine.events import AttemptDequeued
from rae_auto.model.primitives.names import RunId
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks

LEAVE_QUEUE_SECONDS = 1.0
"""Time that an executor has to say whether an attempt that has ended had left its queue."""

Key = tuple[RunId, int]


class AttemptQueues:
    """Attempts in queues elsewhere, each with a task that waits until it leaves its queue."""

    def __init__(self, tasks: BackgroundTasks, report: Callable[[AttemptDequeued], None]) -> None:
        self._tasks = tasks
        self._report = report
        self._leaving: dict[Key, asyncio.Task[None]] = {}

    def follow(self, key: Key, execution: Execution, owner: str) -> None:
        """Report when an attempt leaves its queue, if it has one."""
        if execution.queue is not None:
            self._leaving[key] = self._tasks.start(self._await_end(key, execution), owner=owner)

    async def settle(self, key: Key) -> None:
        """Wait until it is reported that an attempt, which has ended since, left its queue."""
        leaving = self._leaving.get(key)
        if leaving is not None and not leaving.done():
            await asyncio.wait([leaving], timeout=LEAVE_QUEUE_SECONDS)

    def remove(self, key: Key) -> None:
        """Stop waiting for an attempt that has ended."""
        if (leaving := self._leaving.pop(key, None)) is not None:
            leaving.cancel()

    async def _await_end(self, key: Key, execution: Execution) -> None:
        try:
            ago = await execution.leave_queue()
            taken_by = str(execution.taken_by)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                # Without this no timeout would ever count.
                self._report(AttemptDequeued(*key))
            raise
        if ago is not None:
            self._report(AttemptDequeued(*key, max(ago, timedelta(0)), taken_by))
