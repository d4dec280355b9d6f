"""Translates between the engine's values and the store's documents, off the event loop."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve, frozen
from loguru import logger

from rae_auto.api.shared_store import Node, SharedStore, Standby
from rae_auto.api.store import (
    Append,
    CorruptDocument,
    Delete,
    Document,
    LogQuery,
    Put,
    RetentionRule,
    Store,
    StoreReader,
)
from rae_auto.api.store import Change as StoreChange
from rae_auto.engine.effects import Change, Discard, Record, Save
from rae_auto.errors import SchedulerError, StoreDamaged, StoreError
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.primitives.formatting import describe_raise
from rae_auto.model.primitives.names import digest
from rae_auto.model.reasons import StoreReverted
from rae_auto.model.run import Run, RunState
from rae_auto.records.entries import load_entries
from rae_auto.records.runs import merge_newest, merge_newest_decisions, merge_newest_of_all, query_for_each_id
from rae_auto.records.store_move import note_setback
from rae_auto.registry.containment import is_foreign
from rae_auto.registry.describe import summarize_plugin
from rae_auto.runtime.concurrency.commit_batches import MAX_BATCH_CHANGES
from rae_auto.runtime.concurrency.worker import Worker

T = TypeVar("T")

CLOSE_TIMEOUT_SECONDS = 30.0
"""Time that a store gets to close."""

READER_ATTEMPTS = 2
"""Number of times that a read is tried beside commits, before they have to wait for it."""


class EncodedChanges(Sequence[StoreChange]):
    """Changes as the store's, each made when the store comes to it: ten thousand documents at once take 7 MB."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def __len__(self) -> int:
        return len(self._changes)

    def __getitem__(self, index: Any) -> Any:
        """Return a change, or those of a slice."""
        some = self._changes[index]
        return [*map(_encode_change, some)] if isinstance(index, slice) else _encode_change(some)

    def __iter__(self) -> Iterator[StoreChange]:
        return map(_encode_change, self._changes)


def encode(changes: Iterable[Change]) -> EncodedChanges:
    """Return these changes as the store's: the last one of each document, and log entries in order."""
    latest: dict[tuple[str, str], Save | Discard] = {}
    entries: list[Record] = []
    for change in changes:
        if isinstance(change, Record):
            entries.append(change)
        else:
            latest[documents.document_key(change.value)] = change
    return EncodedChanges([*latest.values(), *entries])


def _encode_change(change: Change) -> StoreChange:
    if isinstance(change, Record):
        return _entry(change.value)
    place = documents.document_key(change.value)
    return Put(*place, documents.dump(change.value)) if isinstance(change, Save) else Delete(*place)


def _entry(value: Run | Decision) -> Append:
    body = documents.dump(value)
    if isinstance(value, Run):
        assert value.finished_at is not None
        return Append(documents.RUNS, value.id, value.job, value.state, value.queued_at, body, value.finished_at)
    key = digest("\0".join((value.job, value.trigger, value.key)), 12).hex()
    return Append(documents.DECISIONS, key, value.job, value.reason.code, value.decided_at, body)


def _rewrite(store: Store, puts: Sequence[StoreChange], kept_jobs: Collection[str], now: datetime) -> None:
    wanted = {(put.kind, put.key) for put in puts if isinstance(put, Put)} | {(documents.JOB, job) for job in kept_jobs}
    changes = [put for put in puts if not (isinstance(put, Put) and put.kind == documents.JOB and put.key in kept_jobs)]
    for kind in documents.KINDS:
        for key, body in list(store.load(kind)):
            if (kind, key) in wanted:
                continue
            changes.append(Delete(kind, key))
            if kind == documents.RUN and not store.query(documents.RUNS, LogQuery(key=key, limit=1)):
                run = _decode(kind, key, Run, body)
                if isinstance(run, Run):
                    changes.append(_entry(lose_run(run, now)))
    for first in range(0, len(changes), MAX_BATCH_CHANGES):
        store.commit(changes[first : first + MAX_BATCH_CHANGES])


def lose_run(run: Run, now: datetime) -> Run:
    """Return a run that only a reverted store knows, as lost."""
    return evolve(run, state=RunState.LOST, finished_at=now, reason=StoreReverted(), handle=None, stopping=None)


@frozen
class UnreadableDocument:
    """A document that can't be read: why, and what is there in its place."""

    kind: str
    key: str
    problem: str
    text: str

    @property
    def job(self) -> str | None:
        """The id of the job that it belongs to, as far as it is known."""
        if self.kind == documents.RUN:
            with contextlib.suppress(ValueError, TypeError, LookupError):
                return str(json.loads(self.text)["job"])
            return None
        if self.kind in (documents.NOTICE, documents.DOWNTIME):
            # Only this document is lost: the jobs are not affected.
            return None
        return self.key.rpartition("/")[0] if self.kind == documents.SEEN else self.key


IdsOf = Callable[[str], Sequence[str]]
"""Returns all ids under which runs of a job are on record."""


def _own_id(job: str) -> Sequence[str]:
    return (job,)


class Repository:
    """A store in a thread of its own, since it may block on the disk; it speaks in values.

    Reads on behalf of people and programs run in another thread, if the store has a reader: they block no commit, and
    see every commit that was requested before them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._worker = Worker("store")
        self._directory: Path | None = None
        self.on_damage: Callable[[], None] = lambda: None
        """Called in the event loop after damage that may have cost the store some of what it held."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: StoreReader | None = None
        self._reading: Worker | None = None
        self._last_write: asyncio.Future[Any] | None = None
        self._check: asyncio.Future[None] | None = None
        self.is_checking = False
        """The store is in use while a part of it is still being checked, because it was not closed cleanly."""
        self.problems: Sequence[str] = ()
        """A line on the check, if it could not be made."""
        self.store_type, self.store_summary = store.type, summarize_plugin(store)

    async def stand_by(self, node: Node, report: Callable[[Standby], None]) -> None:
        """Wait until a shared store is this daemon's. `report` is called in the event loop with why it waits.

        Errors: as `SharedStore.stand_by`.
        """
        store, loop = self._store, asyncio.get_running_loop()
        assert isinstance(store, SharedStore)
        waiting = self._worker.call(
            store.stand_by, Path(node.directory), node, lambda why: loop.call_soon_threadsafe(report, why)
        )
        try:
            await asyncio.shield(waiting)
        except BaseException:
            store.interrupt()
            await asyncio.wait({waiting}, timeout=CLOSE_TIMEOUT_SECONDS)
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                # Its turn had come at that very moment.
                await self._call(store.close)
            self._worker.end()
            raise

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Return what a function of the store returns, called in its thread."""
        return await self._call(function, *args)

    async def open(self, directory: Path) -> Sequence[str]:
        """Lock and open; what had to be repaired, a line each."""
        try:
            messages = await self._call(self._store.open, directory)
            self._directory, self._loop = directory, asyncio.get_running_loop()
            self._reader = await self._call(self._store.make_reader)
            # Not awaited: its thread does it beside the rest of the start, and not when the first runs are due.
            self._worker.call(documents.prepare_runs)
            return messages
        except BaseException:
            self._worker.end()
            raise

    async def check_rest(self) -> None:
        """Check what the store has left unchecked when it was opened, beside its use, and have damage repaired.

        Once for all callers. Removals wait for it, because what they remove is found by indexes.
        """
        await asyncio.shield(self.begin_check())

    def begin_check(self) -> "asyncio.Future[None]":
        """Begin what `check_rest` waits for; return a future that is done when it has ended."""
        if self._check is None:
            self._check = asyncio.ensure_future(self._check_rest())
        return self._check

    async def _check_rest(self) -> None:
        try:
            check = await self._call(self._store.make_check)
            if check is not None:
                await self._carry_out(check)
        except StoreDamaged as error:
            logger.warning("{}", error)
        except BaseException as error:  # a check that fails has ended: removals wait for it no longer
            if is_foreign(error):
                raise
            cause = str(error) if isinstance(error, StoreError) else describe_raise(error)
            problem = f"the history could not be checked, which the next start does: {cause}"
            self.problems = (problem,)
            logger.opt(exception=None if isinstance(error, StoreError) else error).warning("{}", problem)

    async def _carry_out(self, check: Callable[[], Callable[[], Sequence[str]] | None]) -> None:
        self.is_checking, checker = True, Worker("store check")
        logger.info("the store was not closed cleanly; its history is checked while it is in use")
        try:
            repair = await self._result(checker.call(check))
            for message in () if repair is None else await self._call(repair):
                logger.warning("{}", message)
            logger.info("the check of the store's history has ended")
        finally:
            self.is_checking = False
            checker.end()

    def commit(self, changes: Sequence[Change]) -> Awaitable[None]:
        """Make all durable, or raise StoreError. Reads that are requested after this call see the changes."""
        return self._result(self._write(lambda: self._store.commit(encode(changes))))

    async def load(self, kind: str, cls: type[T]) -> tuple[tuple[T, ...], list[UnreadableDocument]]:
        """Return all values of a kind, and its documents that can't be read."""
        return await self._call(_read_all, self._store, kind, cls)

    async def runs(self, query: LogQuery, opened: Sequence[Run] = (), ids_of: IdsOf = _own_id) -> list[Run]:
        """Return finished runs, and those of `opened` that match, newest first; `ids_of` returns all ids of a job."""
        queries = query_for_each_id(query, ids_of)
        return await self.read(
            lambda reader: merge_newest_of_all(
                query,
                [merge_newest(one, opened, load_entries(Run, reader.query(documents.RUNS, one))) for one in queries],
            )
        )

    async def decisions(self, query: LogQuery, ids_of: IdsOf = _own_id) -> list[Decision]:
        """Return recorded decisions, newest first; `ids_of` returns all ids of a job."""
        queries = query_for_each_id(query, ids_of)
        return await self.read(
            lambda reader: merge_newest_decisions(
                query,
                [load_entries(Decision, reader.query(documents.DECISIONS, one)) for one in queries],
            )
        )

    async def read(self, question: Callable[[StoreReader], T]) -> T:
        """Return what a function reads, in parallel to commits but after all that were requested before."""
        if self._reader is None:
            return await self._call(question, self._store)
        if self._last_write is not None:
            await asyncio.wait({self._last_write})
        if self._reading is None:
            self._reading = Worker("store reader")
        for _ in range(READER_ATTEMPTS):
            try:
                return await self._result(self._reading.call(_read_in_session, question, self._reader))
            except StoreDamaged:
                break
            except StoreError:
                # It was interrupted, for instance because the files were rewritten.
                continue
        # In its own thread the store repairs what can be repaired.
        return await self._call(question, self._store)

    async def write(self, function: Callable[[Store], T]) -> T:
        """Have a function change the store, and return what it returns."""
        return await self._result(self._write(function, self._store))

    async def rewrite(self, saves: Sequence[Save], kept_jobs: Collection[str], now: datetime) -> None:
        """Make these documents durable, and delete all others but the definitions of `kept_jobs`.

        An open run of the store that isn't among them has ended since; if its end is lost, it is recorded as lost.
        """
        await self.write(lambda store: _rewrite(store, list(encode(saves)), kept_jobs, now))

    async def prune(self, log: str, keep: RetentionRule) -> Sequence[str]:
        """Remove a part of the surplus of a log; return the removed keys."""
        await self.check_rest()
        return await self._call(self._store.prune, log, keep)

    async def dump(self) -> Iterator[StoreChange]:
        """Return everything as of now, to be read in any thread."""
        return await self._call(self._store.dump)

    async def newest_copy_at(self) -> datetime | None:
        """Return when the newest verified copy of the store was made; None if there is none."""
        return await asyncio.to_thread(self._store.newest_copy_at)

    async def close(self, limit_seconds: float = CLOSE_TIMEOUT_SECONDS) -> None:
        """Close the store; abandon it if it doesn't return within `limit_seconds`."""
        if self._check is not None:
            self._check.cancel()
        try:
            async with asyncio.timeout(limit_seconds):
                await self._call(self._store.close)
        except TimeoutError:
            logger.error("the store could not be closed within {:g} s", limit_seconds)
        except StoreError as error:
            logger.error("the store could not be closed: {}", error)
        finally:
            self._worker.end()
            if self._reading is not None:
                self._reading.end()

    def _write(self, function: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        written = self._worker.call(self._guard_setback, function, *args)
        self._last_write = written
        return written

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        return await self._result(self._worker.call(self._guard_setback, function, *args))

    def _guard_setback(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function; if the store repairs itself meanwhile by going back, leave a note for the next start."""
        try:
            return function(*args)
        except StoreDamaged:
            if self._directory is not None and self._store.setback is not None:
                note_setback(self._directory, self._store.setback)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(lambda: self.on_damage())
            raise

    async def _result(self, answer: "asyncio.Future[T]") -> T:
        try:
            return await answer
        except (SchedulerError, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # the error of a store that is not a plugin
            raise StoreError(f"the store failed: {error!r:.300}") from error


def _read_in_session(question: Callable[[StoreReader], T], reader: StoreReader) -> T:
    with reader.session():
        return question(reader)


def _read_all(store: Store, kind: str, cls: type[T]) -> tuple[tuple[T, ...], list[UnreadableDocument]]:
    reader = documents.DocumentReader(cls)
    values: list[T] = []
    unreadable: list[UnreadableDocument] = []
    for some in store.load_packed(kind):
        corrupt = [(key, body) for key, body in some if isinstance(body, CorruptDocument)]
        unreadable += [UnreadableDocument(kind, key, body.problem, body.text) for key, body in corrupt]
        whole: Any = [one for one in some if not isinstance(one[1], CorruptDocument)] if corrupt else some
        made: list[Any] = reader.read(whole)
        errors = [(*one, value) for one, value in zip(whole, made, strict=True) if type(value) is not cls]
        unreadable += [_misunderstood(kind, key, body, error) for key, body, error in errors]
        values += [value for value in made if type(value) is cls] if errors else made
    return tuple(values), unreadable


def _decode(kind: str, key: str, cls: type[T], body: Document | CorruptDocument) -> T | UnreadableDocument:
    if isinstance(body, CorruptDocument):
        return UnreadableDocument(kind, key, body.problem, body.text)
    try:
        return documents.load(cls, body)
    except Exception as error:  # a document that only looks like one of ours
        return _misunderstood(kind, key, body, error)


def _misunderstood(kind: str, key: str, body: Document | bytes, error: Exception) -> UnreadableDocument:
    text = body.decode(errors="backslashreplace") if isinstance(body, bytes) else json.dumps(body)
    return UnreadableDocument(kind, key, f"it can't be understood: {error!r:.200}", text)
