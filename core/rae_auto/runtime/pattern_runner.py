"""A pattern in real time: recorded events and occurrences of its parts are folded one by one, durably.

Each turn is all or nothing. Events are folded, what fires is emitted, and once that is durable the new state is saved.
If one of these steps fails, or the daemon ends in between, it is as if no event had arrived: recorded events are read
again from the saved position, parts repeat what was not acknowledged, and what fires again has the same key.

But parts repeat in an order of their own, and the events between may differ. So a pattern that has parts saves what
fires as unsent, together with the new state, before it is emitted, and emits it again until it is durable.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field, frozen

from rae_auto.api.events import Event, StreamPosition
from rae_auto.api.pattern import Firing, PatternTrigger
from rae_auto.api.trigger import Emit, EmitResult, ScheduleTrigger, SourceTrigger, Trigger, TriggerContext
from rae_auto.engine.time.catch_up import find_due_instants
from rae_auto.errors import StoreError
from rae_auto.model.primitives.clock_jumps import ClockJump, clock_jumps
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.toolkit.pattern_run import PatternRun
from rae_auto.toolkit.state_file import StateFile

MIN_GAP = timedelta(seconds=2)
"""Shorter times without a watch don't count as gaps."""

MAX_REMEMBERED_IDS = 200
"""Number of ids of the latest events that are remembered, for each part and for recorded events."""

REREAD_AFTER_SET_BACK = timedelta(minutes=10)
"""Time for which recorded events are read again after the clock was set back behind the stored position."""

RECORDED = ""
"""The name of the stream of recorded events, among the names of the parts."""


@frozen
class _Memory:
    """The durable state of a pattern that runs."""

    run: PatternRun
    place: StreamPosition
    seen: Mapping[str, tuple[str, ...]] = field(factory=dict)
    unsent: tuple[Firing, ...] = ()

    def copy(self) -> "_Memory":
        """Return a copy that doesn't change while the pattern goes on."""
        return evolve(self, run=evolve(self.run))

    def document(self, watched_until: datetime) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "pattern": repr(self.run.pattern),
            "state": self.run.state,
            "wake_at": self.run.wake_at and format_instant(self.run.wake_at),
            "at": format_instant(self.place.at),
            "ids": self.place.ids,
            "seen": self.seen,
            "unsent": [[firing.key, format_instant(firing.at), firing.event] for firing in self.unsent],
            "watched_until": format_instant(watched_until),
        }

    @classmethod
    def of(cls, pattern: PatternTrigger, kept: Mapping[str, Any], now: datetime) -> "_Memory":
        """Return the memory that a document holds."""
        wake_at = kept["wake_at"] and parse_instant(kept["wake_at"])
        place = StreamPosition(parse_instant(kept["at"]), tuple(kept["ids"]))
        if place.at > now:
            # What was recorded since the clock was set back bears instants before the place.
            place = StreamPosition(now - REREAD_AFTER_SET_BACK)
        seen = {name: tuple(ids) for name, ids in kept["seen"].items()}
        unsent = tuple(Firing(key, parse_instant(at), event) for key, at, event in kept["unsent"])
        return cls(PatternRun(pattern, kept["state"], wake_at), place, seen, unsent)


@define
class PatternRunner:
    """Runs a pattern."""

    pattern: PatternTrigger
    context: TriggerContext
    _memory: _Memory = field(init=False)
    _saved: _Memory = field(init=False)
    _clocks: Moment = field(init=False)
    _failed_at: datetime | None = field(init=False, default=None)
    _lock: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _moved: asyncio.Event = field(init=False, factory=asyncio.Event)
    _file: StateFile = field(init=False)

    async def run(self) -> None:
        """Run until cancelled."""
        self._file = StateFile(self.context.directory / "pattern.json", self.context.job)
        await self._take_up()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._wake())
                if self.pattern.event_names():
                    tasks.create_task(self._follow())
                for name, part in self.pattern.parts().items():
                    tasks.create_task(run_trigger(part, self.context.part(name, self._emit_of(name))))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            # What happens from now on is a gap. If that can't be saved, the gap only looks longer.
            with contextlib.suppress(OSError, StoreError):
                await self._save(self._failed_at or self.context.timer.now().wall)

    async def _take_up(self) -> None:
        now = self.context.timer.now()
        self._clocks = now
        kept = await self._file.load(lambda document: self._read_memory(document, now.wall))
        if kept is None:
            since = now.wall if self._file.damage else self.context.since or now.wall
            self._memory = _Memory(PatternRun.start(self.pattern, since), StreamPosition(since))
            await self._save(now.wall)
            return
        self._memory, watched_until = kept
        self._saved = self._memory.copy()
        async with self._turn() as run:
            if abs(now.wall - watched_until) >= MIN_GAP:
                why = "down" if now.wall > watched_until else "set_back"
                await self._emit_firings(run.skip(watched_until, now.wall, why))

    def _read_memory(self, document: Mapping[str, Any], now: datetime) -> tuple[_Memory, datetime] | None:
        """Return the saved state and the end of its watch, or None if it belongs to another pattern."""
        if document.get("pattern") != repr(self.pattern):
            return None
        return _Memory.of(self.pattern, document, now), parse_instant(document["watched_until"])

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[PatternRun]:
        """Take one step: its results are saved once they were emitted, or none of them."""
        async with self._lock:
            now, run = self.context.timer.now(), self._memory.run
            try:
                await self._emit_firings(self._memory.unsent)
                for since, why in _gaps(self._clocks, now):
                    await self._emit_firings(run.skip(since, now.wall, why))
                yield run
                if self._memory != self._saved:
                    await self._save(now.wall)
            except BaseException as error:
                self._memory = self._saved.copy()
                if not isinstance(error, asyncio.CancelledError):
                    self._failed_at = min([now.wall, *(since for since, _ in _gaps(self._clocks, now))])
                raise
            self._clocks, self._failed_at = now, None
        self._moved.set()

    async def _save(self, watched_until: datetime) -> None:
        memory = self._memory.copy()
        document = memory.document(watched_until)
        try:
            await self._file.save(document)
        finally:
            # If this is cancelled, the state may be written all the same.
            if self._file.last_written is document:
                self._saved = memory

    async def _follow(self) -> None:
        stream = self.context.events.follow(self.pattern.event_names(), self._memory.place)
        try:
            async for batch in stream:
                await self._take(batch, RECORDED)
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def _take(self, batch: Sequence[Event], source: str) -> EmitResult:
        """Fold events of a source; return the result of the last occurrence that fired, once durable."""
        result = None
        async with self._turn() as run:
            for event in batch:
                if self._is_new(source, event):
                    result = await self._emit_firings(run.handle(event)) or result
        return result or EmitResult()

    def _is_new(self, source: str, event: Event) -> bool:
        """Return whether an event is new, and remember it: parts repeat what was not acknowledged."""
        ids = self._memory.seen.get(source, ())
        place = self._memory.place.after(event) if source == RECORDED else self._memory.place
        seen = {**self._memory.seen, source: (*ids, event.id)[-MAX_REMEMBERED_IDS:]} if event.id not in ids else None
        self._memory = evolve(self._memory, place=place, seen=seen or self._memory.seen)
        return seen is not None

    async def _emit_firings(self, firings: Sequence[Firing]) -> EmitResult | None:
        result = None
        if firings and self.pattern.parts() and not self._memory.unsent:
            self._memory = evolve(self._memory, unsent=tuple(firings))
            await self._save(self.context.timer.now().wall)
        for firing in firings:
            result = await self.context.emit(firing.key, firing.event, firing.at)
        self._memory = evolve(self._memory, unsent=())
        return result

    def _emit_of(self, name: str) -> Emit:
        async def emit(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            feedback_key: str | None = None,  # noqa: ARG001 - the job never runs, so nothing is its doing
        ) -> EmitResult:
            return await self._take([Event(key, name, at or self.context.timer.now().wall, event or {})], name)

        return emit

    async def _wake(self) -> None:
        while True:
            self._moved.clear()
            wake_at, now = self._memory.run.wake_at, self.context.timer.now()
            if _gaps(self._clocks, now) or (wake_at is not None and wake_at <= now.wall):
                async with self._turn() as run:
                    await self._emit_firings(run.advance(now.wall))
                continue
            alarm = asyncio.ensure_future(self._alarm(wake_at))
            try:
                await self._moved.wait()
            finally:
                alarm.cancel()
                await asyncio.wait({alarm})
            if not alarm.cancelled():
                alarm.result()

    async def _alarm(self, at: datetime | None) -> None:
        if at is not None:
            try:
                await self.context.timer.sleep_until(at)
            finally:
                self._moved.set()


def _gaps(before: Moment, now: Moment) -> list[tuple[datetime, str]]:
    """Return when the pattern was not watched between two moments, and why."""
    gaps = []
    for jump, by in clock_jumps(before, now):
        if jump is ClockJump.SLEPT:
            gaps.append((now.wall - by, "slept"))
        elif jump is ClockJump.SET_BACK:
            gaps.append((now.wall + by, "set_back"))
    return gaps


async def run_pattern(pattern: SourceTrigger, context: TriggerContext) -> None:
    """Run a pattern in real time until cancelled."""
    assert isinstance(pattern, PatternTrigger)
    await PatternRunner(pattern, context).run()


async def run_trigger(trigger: Trigger, context: TriggerContext) -> None:
    """Run a trigger of any shape until cancelled: a schedule emits each instant from its first start on."""
    if isinstance(trigger, SourceTrigger):
        await trigger.watch(context)
    else:
        await _run_schedule(trigger, context)


async def _run_schedule(schedule: ScheduleTrigger, context: TriggerContext) -> None:
    """Emit the instants of a schedule; of missed ones only the latest."""
    file = StateFile(context.directory / "schedule.json", context.job)

    async def save(after: datetime) -> None:
        await file.save({"schedule": repr(schedule), "after": format_instant(after)})

    def read_position(document: Mapping[str, Any]) -> datetime | None:
        return parse_instant(document["after"]) if document["schedule"] == repr(schedule) else None

    after = await file.load(read_position)
    if after is None:
        after = context.since or context.timer.now().wall
        await save(after)
    checked = _Checked(schedule)
    while (following := checked.next_after(after)) is not None:
        while (now := context.timer.now().wall) < following:
            await context.timer.sleep_until(following)
        for after in find_due_instants(checked, following, now).instants:
            own = schedule.event_at(after) or {}
            await context.emit(format_instant(after), {"due": format_instant(after), **own}, after)
            await save(after)


@frozen
class _Checked:
    """A schedule that may come from a third-party plugin: if it never advances, it would loop for ever."""

    inner: ScheduleTrigger

    @property
    def jitter(self) -> timedelta:
        return self.inner.jitter

    def next_after(self, instant: datetime) -> datetime | None:
        found = self.inner.next_after(instant)
        if found is not None and found <= instant:
            raise ValueError(f"{self.inner.type}: next_after({instant}) is {found}, which is not later")
        return found
