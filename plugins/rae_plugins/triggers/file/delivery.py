"""Delivers pending changes to the engine, and removes them from the snapshot once the decision is durable.

A delivery has three outcomes. *Accepted*: the engine has decided, and the files are known in their new version.
*Busy*: the job cannot take another run now (overlap, full queue, a guard); a file whose change were dropped would
never be looked at again, so the change stays pending and is offered again after half a second, then after up to 30 s.
*Feedback*: the engine takes the change for the output of the job's own runs; it stays pending and is offered again
after a minute, then after up to an hour, until a retry is accepted and stays quiet for that long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import define, field, frozen
from loguru import logger

from rae_auto.api import EmitResult, TriggerContext
from rae_auto.model.reasons import (
    FeedbackLoop,
    GuardBlocked,
    MaxOverlap,
    Overlapping,
    QueueFull,
    QueueLimit,
    Reason,
    Repeated,
)
from rae_plugins.triggers.file.changes import ChangeOrigin, FileChange, check_event, event_key
from rae_plugins.triggers.file.provenance import Provenance
from rae_plugins.triggers.file.snapshot import Snapshot

MAX_FILES_PER_EVENT = 50_000
"""More files make several events."""

_MAX_CONCURRENT_EVENTS = 50
"""Number of events of one file each that are emitted at once."""

_MAX_INLINE_FILES = 200
"""Number of files up to which a document is built on the event loop, because a thread would take longer."""

_MIN_BUSY_DELAY_SECONDS, _MAX_BUSY_DELAY_SECONDS = 0.5, 30.0

# `Repeated` without a run: the same key was refused right before a kill, so the change needs a new key.
_BUSY_REASONS = (Overlapping, QueueFull, QueueLimit, MaxOverlap, GuardBlocked, Repeated)
_REFUSAL_REASONS = (*_BUSY_REASONS, FeedbackLoop)

RunInThread = Callable[..., Awaitable[Any]]
"""Calls a function with arguments in a thread."""


@frozen
class RetryDelay:
    """The time until changes that looked like feedback are offered again."""

    INITIAL_SECONDS, MAX_SECONDS = 60.0, 3600.0

    seconds: float = INITIAL_SECONDS

    def double(self) -> "RetryDelay":
        """Return twice the delay, up to an hour."""
        return RetryDelay(min(self.seconds * 2, self.MAX_SECONDS))


@define(eq=False)
class Delivery:
    """Delivers the pending changes of a snapshot, as one event or (`one_per_file`) as one event per file."""

    context: TriggerContext
    snapshot: Snapshot
    run_in_thread: RunInThread
    one_per_file: bool
    retry_at: float | None = field(init=False, default=None)
    """The monotonic time at which refused changes are offered again."""

    _retry_delay: RetryDelay = field(init=False, factory=RetryDelay)
    _retried_at: float | None = field(init=False, default=None)
    """The monotonic time at which refused changes were accepted after all."""

    _busy_delay: float | None = field(init=False, default=None)
    """Seconds until changes are offered again to a busy job; None while it is not busy."""

    _provenance: Provenance = field(init=False, factory=Provenance)

    async def deliver(self) -> None:
        """Deliver the pending changes until one is refused. Errors: those of `emit`."""
        is_due = self.retry_at is not None and self.context.timer.now().mono >= self.retry_at
        is_retry = is_due and self._busy_delay is None
        if self.one_per_file and not is_due:
            self._provenance.set_pending(await self.run_in_thread(self.snapshot.pending_paths))
        # A busy job accepts only a few, and each refusal is recorded.
        size = 1 if self._busy_delay is not None else _MAX_CONCURRENT_EVENTS
        has_accepted = False
        while changes := await self._next_changes(size):
            accepted, reasons = await self._deliver_changes(changes)
            has_accepted = has_accepted or bool(accepted)
            if any(isinstance(reason, FeedbackLoop) for reason in reasons):
                self._wait_after_feedback(is_retry)
                return
            if any(isinstance(reason, _REFUSAL_REASONS) for reason in reasons):
                self._wait_until_free(has_accepted)
                return
            size = min(2 * size, _MAX_CONCURRENT_EVENTS)
        if is_retry:
            self._retried_at = self.context.timer.now().mono
        elif self.retry_at is not None and self._busy_delay is None:
            # Something changed while no run was active, so it was not the job.
            self._retry_delay, self._retried_at = RetryDelay(), None
        self.retry_at, self._busy_delay = None, None

    async def _next_changes(self, size: int) -> list[FileChange]:
        limit = size if self.one_per_file else MAX_FILES_PER_EVENT
        changes: list[FileChange] = await self.run_in_thread(self.snapshot.get_pending, limit)
        return changes

    async def _deliver_changes(self, changes: Sequence[FileChange]) -> tuple[list[FileChange], set[Reason | None]]:
        """Emit some changes, and save the result; return the accepted ones and the engine's reasons."""
        refusals = int(await self.run_in_thread(self.snapshot.get_metadata, "refusals") or 0)
        origin = ChangeOrigin(await self.run_in_thread(self.snapshot.get_metadata, "origin") or ChangeOrigin.WATCH)
        batches = [[change] for change in changes] if self.one_per_file else [changes]
        results = await asyncio.gather(
            *(self._emit(batch, origin, refusals) for batch in batches), return_exceptions=True
        )
        reasons = {result.reason for result in results if isinstance(result, EmitResult)}
        accepted = [
            change
            for batch, result in zip(batches, results, strict=True)
            if isinstance(result, EmitResult) and not isinstance(result.reason, _REFUSAL_REASONS)
            for change in batch
        ]
        for change in accepted:
            self._provenance.accept(change.path)
        is_refused = any(isinstance(reason, _REFUSAL_REASONS) for reason in reasons)
        await self.run_in_thread(self._save, accepted, refusals + is_refused)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return accepted, reasons

    async def _emit(self, changes: Sequence[FileChange], origin: ChangeOrigin, refusals: int) -> EmitResult:
        if len(changes) > _MAX_INLINE_FILES:
            document = await self.run_in_thread(check_event, changes, origin)
            key = await self.run_in_thread(event_key, changes, self.snapshot.id, refusals)
        else:
            document, key = check_event(changes, origin), event_key(changes, self.snapshot.id, refusals)
        # A job may change what it watches. With one event per file, each file has a count of its own.
        feedback_key: str | None = ""
        if self.one_per_file:
            path = changes[0].path
            feedback_key = path if self._provenance.may_be_own_output(path) else None
        return await self.context.emit(key, document, self.context.timer.now().wall, feedback_key=feedback_key)

    def _save(self, accepted: Sequence[FileChange], refusals: int) -> None:
        with self.snapshot.transaction():
            self.snapshot.mark_delivered(accepted)
            # Saved before the next attempt, which needs another key even in another process. The count stays until
            # nothing is pending: other refused changes may still be there.
            is_done = not self.snapshot.get_pending(1)
            self.snapshot.set_metadata("refusals", str(refusals) if refusals and not is_done else None)

    def _wait_until_free(self, has_accepted: bool) -> None:
        if self._busy_delay is None:
            logger.bind(job=self.context.job).info(
                "trigger {}: the job is busy; the changed files stay pending until it can run", self.context.trigger
            )
        if self._busy_delay and not has_accepted:
            self._busy_delay = min(2 * self._busy_delay, _MAX_BUSY_DELAY_SECONDS)
        else:
            self._busy_delay = _MIN_BUSY_DELAY_SECONDS
        self.retry_at = self.context.timer.now().mono + self._busy_delay

    def _wait_after_feedback(self, is_retry: bool) -> None:
        now = self.context.timer.now().mono
        if is_retry or (self._retried_at is not None and now - self._retried_at <= RetryDelay.MAX_SECONDS):
            # The retry was accepted, and has led to too many runs once more.
            self._retry_delay, self._retried_at = self._retry_delay.double(), None
        elif self.retry_at is None or self._busy_delay is not None:
            self._retry_delay = RetryDelay()
        self.retry_at, self._busy_delay = now + self._retry_delay.seconds, None
        logger.bind(job=self.context.job).info(
            "trigger {}: too many runs; the changed files are held back and offered again in {:.0f} s, "
            "or with the next change",
            self.context.trigger,
            self._retry_delay.seconds,
        )
