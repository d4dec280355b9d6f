"""Recorded events: durable before they are published, bounded, and on this machine alone.

The ends of runs are events too. They are not written twice: a follower that starts at a position in the past reads
them from the history.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from weakref import WeakSet

from loguru import logger

from rae_auto.api.events import Event, StreamPosition, end_of, is_named
from rae_auto.api.store import Append, Store
from rae_auto.errors import BadRequest
from rae_auto.model import documents
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.names import check_event_name
from rae_auto.model.primitives.problems import Invalid, ProblemCollector
from rae_auto.model.run import Run
from rae_auto.records.events import MAX_EVENTS_READ, deletion_rules, prune, read_events
from rae_auto.runtime.repository import Repository

MAX_EVENT_BYTES = 64 << 10
"""Bytes of an event's data, as JSON."""

EVENTS_PER_BATCH = 1000
"""Number of past events that are handed over at once."""

REPEAT_SECONDS = 60.0
"""Time in which a recorded event may still be published that a follower has already read from the store."""


class EventRecorder:
    """Records events and hands them to followers. Belongs to one event loop."""

    def __init__(
        self, archive: Repository, now: Callable[[], datetime], on_recorded: Callable[[Event], None] = lambda _: None
    ) -> None:
        """Connect to a repository; `on_recorded` gets each event once it is durable."""
        self._on_recorded = on_recorded
        self._archive = archive
        self._now = now
        self._followers: WeakSet[_Follower] = WeakSet()
        self._unwritten: list[tuple[Event, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._unread: list[tuple[Sequence[str], datetime, asyncio.Future[list[Event]]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def record(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """Record an event; it is durable when this returns. Errors: BadRequest, StoreError."""
        event = _check_event(name, data or {}, as_utc(at) if at else self._now())
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unwritten.append((event, future))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        await asyncio.shield(future)
        return event

    async def _write(self) -> None:
        """Make all events durable that arrived during the last commit, in one commit."""
        try:
            while self._unwritten:
                batch, self._unwritten = self._unwritten, []
                changes = [_entry(event) for event, _ in batch]
                try:
                    await self._archive.write(partial(_commit, changes=changes))
                except Exception as error:  # whatever it is, each of them gets it
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                try:
                    self._publish([event for event, _ in batch])
                    for event, _ in batch:
                        self._on_recorded(event)
                except Exception as error:  # they are durable, so those who recorded them need not do it again
                    logger.opt(exception=error).error("recorded events were not passed on: {!r}", error)
                for _, future in batch:
                    if not future.done():
                        future.set_result(None)
        finally:
            self._writing = None

    def publish_ends(self, runs: Sequence[Run]) -> None:
        """Report runs whose end is durable to the followers."""
        if self._followers:
            self._publish([end_of(run) for run in runs])

    def _publish(self, events: Sequence[Event]) -> None:
        for follower in list(self._followers):
            follower.offer(events)

    def follow(self, names: Sequence[str], after: StreamPosition | None) -> AsyncGenerator[Sequence[Event], None]:
        """Yield events of these names after a position, oldest first, and then new ones as they are recorded."""
        # Before the past is read: what comes meanwhile comes behind it.
        follower = _Follower(names)
        self._followers.add(follower)
        return self._stream(follower, names, after)

    async def _stream(
        self, follower: "_Follower", names: Sequence[str], after: StreamPosition | None
    ) -> AsyncGenerator[Sequence[Event], None]:
        try:
            delivered: set[str] = set()
            forget_at = 0.0
            if after is not None:
                past = [event for event in await self._past(names, after.at) if after.is_before(event)]
                delivered = {event.id for event in past}
                forget_at = asyncio.get_running_loop().time() + REPEAT_SECONDS
                for start in range(0, len(past), EVENTS_PER_BATCH):
                    yield past[start : start + EVENTS_PER_BATCH]
                del past
            while True:
                batch = [event for event in await follower.take() if event.id not in delivered]
                if delivered and asyncio.get_running_loop().time() >= forget_at:
                    delivered.clear()
                if batch:
                    yield batch
        finally:
            self._followers.discard(follower)

    async def _past(self, names: Sequence[str], since: datetime) -> list[Event]:
        """Return what `list` returns; concurrent callers, as at a start, share one read."""
        future: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()
        self._unread.append((names, since, future))
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())
        return await future

    async def _read(self) -> None:
        try:
            while self._unread:
                batch, self._unread = self._unread, []
                wanted = {name for names, _, _ in batch for name in names}
                try:
                    found = await self.list(tuple(wanted), since=min(since for _, since, _ in batch))
                except Exception as error:  # each of them gets it
                    for _, _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for names, since, future in batch:
                    if not future.done():
                        future.set_result([e for e in found if e.at >= since and is_named(e.name, names)])
        finally:
            self._reading = None

    async def list(
        self,
        names: Sequence[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = MAX_EVENTS_READ,
        ends: bool = True,
    ) -> list[Event]:
        """Return the newest events of these names, and ends of runs unless `ends` is false, oldest first."""
        read = partial(read_events, names=names, since=since, until=until, limit=limit, ends=ends)
        return await self._archive.read(read)

    async def delete(self, names: Sequence[str], before: datetime | None) -> int:
        """Delete recorded events for good, also from the store's own copies; return how many there were."""
        # They are found by an index, which may be damaged.
        await self._archive.check_rest()
        count = 0
        for keep in await self._archive.read(partial(deletion_rules, names=names, before=before)):
            # One by one, so that commits for runs come in between.
            while gone := await self._archive.write(partial(prune, keep=keep)):
                count += len(gone)
        await self._archive.write(lambda store: store.scrub())
        return count


class _Follower:
    """Events that a follower has not read yet."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._events: list[Event] = []
        self._some = asyncio.Event()

    def offer(self, events: Sequence[Event]) -> None:
        wanted = [event for event in events if is_named(event.name, self._names)]
        if wanted:
            self._events += wanted
            self._some.set()

    async def take(self) -> list[Event]:
        await self._some.wait()
        self._some.clear()
        events, self._events = self._events, []
        return events


def _commit(store: Store, changes: Sequence[Append]) -> None:
    store.commit(changes)


def _entry(event: Event) -> Append:
    return Append(documents.EVENTS, event.id, event.name, event.name, event.at, documents.dump(event))


def _check_event(name: object, data: Mapping[str, Any], at: datetime) -> Event:
    try:
        checked = check_event_name(name)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    findings = ProblemCollector()
    try:
        kept = plain(dict(data), findings)
        findings.raise_if_any()
    except (Invalid, TypeError, ValueError) as error:
        raise BadRequest(f"data: {error}") from None
    event = Event(os.urandom(16).hex(), checked, at, kept)
    if len(json.dumps(kept, separators=(",", ":"))) > MAX_EVENT_BYTES:
        raise BadRequest(f"data: is larger than {MAX_EVENT_BYTES >> 10} KB; store it in a file and record its path")
    return event
