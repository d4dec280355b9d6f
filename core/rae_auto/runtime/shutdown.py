"""Shutdown in time: whatever hangs, a stop takes at most its grace and `STOP_SECONDS`.

The engine says when nothing is active any more. If it doesn't, because the store can't be written or an executor
doesn't end what it was asked to end, the scheduler stops as if it had crashed: the intent of every active run is in the
store, and the next start finds out how it ended. The parts that are then closed share the remaining time.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from attrs import frozen
from loguru import logger

from rae_auto.model.primitives.formatting import quote_some
from rae_auto.model.shutdown_texts import describe_wait
from rae_auto.toolkit.threads.duties import keep_going

STOP_SECONDS = 8.5
"""Time that a stop may take after its grace, altogether."""

CLOSE_SECONDS = 2.5
"""The part of it that is left for closing: runs that have not ended before that are left behind."""

MIN_CLOSE_SECONDS = 0.2
"""Time that each part gets to close, even if none is left."""

PROGRESS_SECONDS = 10.0
"""Time between log lines on what a stop waits for."""

STORE_CHECK_SECONDS = 0.5
"""Time between checks of the store once the grace is over."""


@frozen
class UncleanStop:
    """The reason to stop although runs are active; `is_state_lost` if state could not be written."""

    text: str
    is_state_lost: bool


class ShutdownDeadline:
    """Sets `stopped` when a store or an executor would keep it from being set in time; `failure` says why."""

    def __init__(
        self,
        store_problem: Callable[[], str | None],
        pending_commit: Callable[[], str | None],
        awaited_jobs: Callable[[], Sequence[str]],
        stopped: asyncio.Event,
    ) -> None:
        """`store_problem` and `pending_commit` return a line if the store can't be written, or has not answered yet."""
        self.failure: UncleanStop | None = None
        self._store_problem = store_problem
        self._pending_commit = pending_commit
        self._awaited_jobs = awaited_jobs
        self._stopped = stopped
        self._task: asyncio.Task[None] | None = None
        self._ends_at: float | None = None

    def start(self, grace_seconds: float) -> bool:
        """Start the deadline, or shorten it; return whether this call changed it."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + grace_seconds + STOP_SECONDS
        if self._ends_at is not None and ends_at >= self._ends_at:
            return False
        self._ends_at = ends_at
        self.cancel()
        self._task = loop.create_task(keep_going("end a stop in time", partial(self._watch, ends_at, grace_seconds)))
        return True

    def cancel(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()

    def time_to_close(self, limit_seconds: float) -> float:
        """Return how many seconds the next part may take to close: its own limit, or what is left if that is less."""
        if self._ends_at is None:
            return limit_seconds
        left = self._ends_at - asyncio.get_running_loop().time()
        return min(limit_seconds, max(left, MIN_CLOSE_SECONDS))

    async def _watch(self, ends_at: float, grace_seconds: float) -> None:
        now = asyncio.get_running_loop().time
        await self._wait_for_grace(ends_at - STOP_SECONDS, grace_seconds)
        # The store may fail at any time from now on, and sends no event.
        while self._store_problem() is None and now() < ends_at - CLOSE_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(STORE_CHECK_SECONDS)
        if problem := self._store_problem() or self._pending_commit():
            self.fail(problem)
        else:
            jobs = quote_some(self._awaited_jobs())
            text = (
                f"stopped while {jobs} had not ended; the next start ends what is left, and records it as interrupted"
            )
            self.failure = UncleanStop(text, is_state_lost=False)
        self._stopped.set()

    async def _wait_for_grace(self, ends_at: float, grace_seconds: float) -> None:
        """Return once the grace is over, and log at intervals what the stop waits for."""
        now = asyncio.get_running_loop().time
        while (left := ends_at - now()) > PROGRESS_SECONDS:
            await asyncio.sleep(PROGRESS_SECONDS)
            if jobs := self._awaited_jobs():
                logger.info("still {}", describe_wait(jobs, grace_seconds, grace_seconds - left + PROGRESS_SECONDS))
        await asyncio.sleep(max(0.0, left))
        if grace_seconds and (jobs := self._awaited_jobs()):
            logger.info("the time to wait is over: ending {}", quote_some(jobs))

    def fail(self, problem: str) -> None:
        """Note that state was not written, and why."""
        text = f"stopped without saving its state; the next start checks which runs are still active: {problem}"
        self.failure = UncleanStop(text, is_state_lost=True)
