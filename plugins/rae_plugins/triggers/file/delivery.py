"""Tells what has been found, and remembers it only when that is durable."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import define, field
from loguru import logger

from rae_auto.api import EmitResult, TriggerContext
from rae_auto.model.reasons import Reason
from rae_plugins.triggers.file.changes import Change, Origin, document_of, key_of
from rae_plugins.triggers.file.debounce import Patience
from rae_plugins.triggers.file.provenance import Lineage
from rae_plugins.triggers.file.snapshot import Snapshot

MOST = 50_000
"""How many files an occurrence tells of at most; more make several occurrences."""

_AT_ONCE = 50
"""Of occurrences for one file each so many are told at a time."""

_QUICK = 200
"""A document of so many files is made before a thread would have begun."""

_FIRST_BUSY, _LONGEST_BUSY = 0.5, 30.0
"""Seconds until a job that was busy is asked again, at first and at last."""

# What was decided before and has no run was refused right before the daemon was killed: another key tells.
_BUSY = frozenset({Reason.OVERLAP, Reason.QUEUE_FULL, Reason.QUEUE_LIMIT, Reason.CEILING, Reason.REPEATED})
_REFUSALS = _BUSY | {Reason.RATE}

Work = Callable[..., Awaitable[Any]]
"""Has a function done in a thread."""


@define(eq=False)
class Telling:
    """Tells of the changes that lie in the snapshot."""

    watch: TriggerContext
    snapshot: Snapshot
    work: Work
    one_by_one: bool
    retry_at: float | None = field(init=False, default=None)
    """The monotonic time at which what was refused is offered again."""

    _patience: Patience = field(init=False, factory=Patience)
    _retried_at: float | None = field(init=False, default=None)
    """When what had been refused was taken after all."""

    _busy_for: float | None = field(init=False, default=None)
    """How long the job is given before it is offered again what it was too busy for; None while it isn't."""

    _lineage: Lineage = field(init=False, factory=Lineage)

    async def tell(self) -> None:
        """Tell all, or as much as isn't refused. Errors: what `emit` raises."""
        is_due = self.retry_at is not None and self.watch.timer.now().mono >= self.retry_at
        is_retry = is_due and self._busy_for is None
        if self.one_by_one and not is_due:
            self._lineage.seen(await self.work(self.snapshot.offered_paths))
        # A busy job takes but a few, and each refusal is on record.
        size = 1 if self._busy_for is not None else _AT_ONCE
        is_begun = False
        while changes := await self.work(self.snapshot.offered, size if self.one_by_one else MOST):
            refusals = int(await self.work(self.snapshot.fact, "refusals") or 0)
            origin = Origin(await self.work(self.snapshot.fact, "origin") or Origin.WATCH)
            batches = [[change] for change in changes] if self.one_by_one else [changes]
            answers = await asyncio.gather(
                *(self._emit(batch, origin, refusals) for batch in batches), return_exceptions=True
            )
            reasons = {answer.reason for answer in answers if isinstance(answer, EmitResult)}
            is_refused = not reasons.isdisjoint(_REFUSALS)
            accepted = [
                change
                for batch, answer in zip(batches, answers, strict=True)
                if isinstance(answer, EmitResult) and answer.reason not in _REFUSALS
                for change in batch
            ]
            for change in accepted:
                self._lineage.taken(change.path)
            await self.work(self._note, accepted, refusals + is_refused)
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
            is_begun = is_begun or bool(accepted)
            if Reason.RATE in reasons:
                self._wait_for_better_times(is_retry)
                return
            if is_refused:
                self._wait_until_free(is_begun)
                return
            size = min(2 * size, _AT_ONCE)
        if is_retry:
            self._retried_at = self.watch.timer.now().mono
        elif self.retry_at is not None and self._busy_for is None:
            # Something changed while nothing ran: that was somebody else.
            self._patience, self._retried_at = Patience(), None
        self.retry_at, self._busy_for = None, None

    async def _emit(self, changes: Sequence[Change], origin: Origin, refusals: int) -> EmitResult:
        if len(changes) > _QUICK:
            document = await self.work(document_of, changes, origin)
            key = await self.work(key_of, changes, refusals)
        else:
            document, key = document_of(changes, origin), key_of(changes, refusals)
        # A job may change what it watches: of single files each has a count of its own.
        feedback_key: str | None = ""
        if self.one_by_one:
            feedback_key = changes[0].path if self._lineage.may_be_own(changes[0].path) else None
        return await self.watch.emit(key, document, self.watch.timer.now().wall, feedback_key=feedback_key)

    def _note(self, accepted: Sequence[Change], refusals: int) -> None:
        with self.snapshot.writing():
            self.snapshot.told(accepted)
            # Before it is offered again, also by another process: it must have another key then. So the count stays
            # until all is told: others that were refused may still be waiting.
            is_over = not self.snapshot.offered(1)
            self.snapshot.note("refusals", str(refusals) if refusals and not is_over else None)

    def _wait_until_free(self, is_begun: bool) -> None:
        """What a busy job would skip stays for when it is free: a file that was skipped would never be looked at."""
        if self._busy_for is None:
            logger.bind(job=self.watch.job).info(
                "trigger {}: the job is busy, so changed files are kept until it has time for them", self.watch.trigger
            )
        is_longer = self._busy_for is not None and not is_begun
        self._busy_for = min(2 * self._busy_for, _LONGEST_BUSY) if is_longer and self._busy_for else _FIRST_BUSY
        self.retry_at = self.watch.timer.now().mono + self._busy_for

    def _wait_for_better_times(self, is_retry: bool) -> None:
        now = self.watch.timer.now().mono
        if is_retry or (self._retried_at is not None and now - self._retried_at <= Patience.LONGEST):
            # It was offered again, and has led to too many runs once more.
            self._patience, self._retried_at = self._patience.longer(), None
        elif self.retry_at is None or self._busy_for is not None:
            self._patience = Patience()
        self.retry_at, self._busy_for = now + self._patience.pause, None
        logger.bind(job=self.watch.job).info(
            "trigger {}: too many runs, so changed files are held back and offered again in {:.0f} s, or with the next",
            self.watch.trigger,
            self._patience.pause,
        )
