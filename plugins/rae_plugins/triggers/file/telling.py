"""Tells what has been found, and remembers it only when that is durable."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import define, field
from loguru import logger

from rae_auto.api import Told, Watch
from rae_auto.model.reasons import Reason
from rae_plugins.triggers.file.changes import Change, Origin, document_of, key_of
from rae_plugins.triggers.file.settling import Patience
from rae_plugins.triggers.file.snapshot import Snapshot

MOST = 50_000
"""How many files an occurrence tells of at most; more make several occurrences."""

_AT_ONCE = 50
"""Of occurrences for one file each so many are told at a time."""

_QUICK = 200
"""A document of so many files is made before a thread would have begun."""

Work = Callable[..., Awaitable[Any]]
"""Has a function done in a thread."""


@define(eq=False)
class Telling:
    """Tells of the changes that lie in the snapshot."""

    watch: Watch
    snapshot: Snapshot
    work: Work
    one_by_one: bool
    retry_at: float | None = field(init=False, default=None)
    """The monotonic time at which what was refused is offered again."""

    _patience: Patience = field(init=False, factory=Patience)
    _retried_at: float | None = field(init=False, default=None)
    """When what had been refused was taken after all."""

    async def tell(self) -> None:
        """Tell all, or as much as isn't refused. Errors: what `emit` raises."""
        is_retry = self.retry_at is not None and self.watch.timer.now().mono >= self.retry_at
        while changes := await self.work(self.snapshot.offered, _AT_ONCE if self.one_by_one else MOST):
            refusals = int(await self.work(self.snapshot.fact, "refusals") or 0)
            origin = Origin(await self.work(self.snapshot.fact, "origin") or Origin.WATCH)
            batches = [[change] for change in changes] if self.one_by_one else [changes]
            answers = await asyncio.gather(
                *(self._emit(batch, origin, refusals) for batch in batches), return_exceptions=True
            )
            good = [
                answer is not None and not isinstance(answer, BaseException) and not _is_refusal(answer)
                for answer in answers
            ]
            accepted = [change for batch, is_good in zip(batches, good, strict=True) if is_good for change in batch]
            is_refused = any(isinstance(answer, Told) and _is_refusal(answer) for answer in answers)
            await self.work(self._note, accepted, refusals + 1 if is_refused else None)
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
            if is_refused:
                self._wait_for_better_times(is_retry)
                return
        if is_retry:
            self._retried_at = self.watch.timer.now().mono
        elif self.retry_at is not None:
            # Something changed while nothing ran: that was somebody else.
            self._patience, self._retried_at = Patience(), None
        self.retry_at = None

    async def _emit(self, changes: Sequence[Change], origin: Origin, refusals: int) -> Told:
        if len(changes) > _QUICK:
            document = await self.work(document_of, changes, origin)
            key = await self.work(key_of, changes, refusals)
        else:
            document, key = document_of(changes, origin), key_of(changes, refusals)
        # A job may change what it watches: of single files each has a count of its own.
        echo = changes[0].path if self.one_by_one else ""
        return await self.watch.emit(key, document, self.watch.timer.now().wall, echo=echo)

    def _note(self, accepted: Sequence[Change], refusals: int | None) -> None:
        with self.snapshot.writing():
            self.snapshot.told(accepted)
            # Before it is offered again, also by another process: it must have another key then.
            self.snapshot.note("refusals", None if refusals is None else str(refusals))

    def _wait_for_better_times(self, is_retry: bool) -> None:
        now = self.watch.timer.now().mono
        if is_retry or (self._retried_at is not None and now - self._retried_at <= Patience.LONGEST):
            # It was offered again, and has led to too many runs once more.
            self._patience, self._retried_at = self._patience.longer(), None
        elif self.retry_at is None:
            self._patience = Patience()
        self.retry_at = now + self._patience.pause
        logger.bind(job=self.watch.job).info(
            "trigger {}: too many runs, so changed files are held back and offered again in {:.0f} s, or with the next",
            self.watch.trigger,
            self._patience.pause,
        )


def _is_refusal(told: Told) -> bool:
    return told.reason is Reason.RATE
