"""For those who write sources: clocks that a test moves, recorded events in memory, and the conformance suite."""

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.api.events import Event, StreamPosition, is_named
from rae_auto.api.trigger import EmitResult
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.runtime.pattern_runner import run_pattern
from rae_auto.testing.plugin import PluginConformance

START = datetime(2026, 1, 31, 12, tzinfo=UTC)

PATIENCE = 30.0
"""Seconds after which a test gives up waiting."""


class VirtualTimer:
    """Clocks that stand still until a test moves them."""

    def __init__(self, start: datetime = START) -> None:
        self._now = Moment(start, 0.0)
        self._settings = 0
        self._sleepers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def now(self) -> Moment:
        """Return the time of all clocks."""
        return self._now

    @property
    def sleepers(self) -> int:
        """Return how many tasks wait for these clocks; only these notice a change."""
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Until the test has let so much time pass."""
        until = self._now.mono + seconds
        await self._until(lambda: self._now.mono >= until)

    async def sleep_until(self, instant: datetime) -> None:
        """Until the test has moved the clock there, set it, or let the machine sleep."""
        before = self._settings, self._now.slept
        await self._until(lambda: self._now.wall >= instant or (self._settings, self._now.slept) != before)

    async def _until(self, over: Callable[[], bool]) -> None:
        if over():
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((over, future))
        await future

    async def advance(self, by: timedelta | float, *, step: timedelta = timedelta(seconds=1)) -> None:
        """Let time pass in steps, in each of which whoever sleeps gets its turn."""
        left = by if isinstance(by, timedelta) else timedelta(seconds=by)
        while left > timedelta(0):
            one = min(step, left)
            left -= one
            self._now = self._now.later(one)
            await self._wake()

    async def sleep_machine(self, by: timedelta) -> None:
        """Suspend the machine, and wake it up."""
        self._now = Moment(self._now.wall + by, self._now.mono, self._now.slept + by.total_seconds())
        await self._wake()

    async def set_clock(self, by: timedelta) -> None:
        """Somebody sets the clock on the wall forward, or back."""
        self._now = Moment(self._now.wall + by, self._now.mono, self._now.slept)
        self._settings += 1
        await self._wake()

    async def _wake(self) -> None:
        for over, future in list(self._sleepers):
            if over() or future.done():
                self._sleepers.remove((over, future))
                if not future.done():
                    future.set_result(None)
        for _ in range(20):
            await asyncio.sleep(0)


class EventsInMemory:
    """Recorded events that a test writes."""

    def __init__(self, timer: VirtualTimer | None = None) -> None:
        self.recorded: list[Event] = []
        self._timer = timer or VirtualTimer()
        self._more = asyncio.Event()

    async def record(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """Record an event."""
        event = Event(f"event-{len(self.recorded)}", name, at or self._timer.now().wall, data or {})
        self.recorded.append(event)
        self._more.set()
        self._more = asyncio.Event()
        return event

    async def follow(self, names: Sequence[str], after: StreamPosition | None) -> AsyncIterator[Sequence[Event]]:
        """Yield the events after a position, then each as it comes."""
        seen = len(self.recorded) if after is None else 0
        while True:
            batch = [
                event
                for event in self.recorded[seen:]
                if is_named(event.name, names) and (after is None or after.is_before(event))
            ]
            seen = len(self.recorded)
            if batch:
                yield batch
            elif seen == len(self.recorded):
                await self._more.wait()


@frozen
class Occurrence:
    """An occurrence that a source emitted."""

    key: str
    event: Mapping[str, Any] | None
    at: datetime | None


class Listener:
    """A daemon as a source sees it: takes what it tells, and decides each key once."""

    def __init__(self, directory: Path, timer: Any = None) -> None:
        """`timer` defaults to clocks that stand still; pass `RealTimer()` for a source that touches the world."""
        self.directory = directory
        self.timer = timer or VirtualTimer()
        self.events = EventsInMemory(self.timer if isinstance(self.timer, VirtualTimer) else None)
        self.occurrences: list[Occurrence] = []
        self.answer: Callable[[str], EmitResult] = lambda key: EmitResult(RunId(f"run-{key}"))
        """What becomes of an occurrence, by its key; it may raise, as a store may that can't be written."""
        self._came = asyncio.Condition()

    async def emit(
        self,
        key: str,
        event: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        *,
        feedback_key: str | None = None,
    ) -> EmitResult:
        """Record an occurrence, as `TriggerContext.emit` does."""
        told = self.answer(key)
        json.dumps(event)
        if all(known.key != key for known in self.occurrences):
            self.occurrences.append(Occurrence(key, event, at))
        async with self._came:
            self._came.notify_all()
        return told

    async def wait_for(self, count: int, patience: float = PATIENCE) -> list[Occurrence]:
        """Wait for this many occurrences and return them."""
        try:
            async with asyncio.timeout(patience), self._came:
                await self._came.wait_for(lambda: len(self.occurrences) >= count)
        except TimeoutError:
            told = f"it emitted {len(self.occurrences)} occurrences instead of {count} within {patience:g} s"
            still = "; its clocks stand still: advance them in provoke, or let timer() return RealTimer()"
            raise TimeoutError(told + (still if isinstance(self.timer, VirtualTimer) else "")) from None
        return list(self.occurrences)

    def watch(self, job: str = "job", trigger: str = "trigger") -> TriggerContext:
        """Return the context of a source."""
        return TriggerContext(job, trigger, self.directory, self.emit, self.timer, self.events, run_pattern=run_pattern)

    @asynccontextmanager
    async def watching(self, source: SourceTrigger) -> AsyncIterator["asyncio.Task[None]"]:
        """Run the source within the block."""
        task = asyncio.get_running_loop().create_task(source.watch(self.watch()))
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(asyncio.shield(asyncio.gather(task, return_exceptions=True)), PATIENCE)


class RealTimer:
    """The machine's clocks."""

    def now(self) -> Moment:
        """Return the time of all clocks."""
        return Moment(datetime.now(UTC), asyncio.get_running_loop().time())

    async def sleep(self, seconds: float) -> None:
        """So long."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, instant: datetime) -> None:
        """Until then."""
        await asyncio.sleep(max((instant - datetime.now(UTC)).total_seconds(), 0))


Provoke = Callable[[Listener, int], Awaitable[None]]
"""Makes the world do something that the source tells of: each time, by a number, something else."""


class SourceConformance(PluginConformance):
    """Conformance suite of sources. A subclass has a fixture `plugin` and a method `provoke`.

    `ready`, where the source needs time before it sees anything, returns once it does. `timer` makes its clocks.
    """

    repeats_after_restart = False
    """True for one that tells again after a restart what is still so."""

    @abstractmethod
    async def provoke(self, listener: Listener, number: int) -> None:
        """Make the world do something that the source tells of once; with another number something else."""

    async def ready(self, listener: Listener) -> None:
        """Return once the source sees what happens."""
        for _ in range(50):
            await asyncio.sleep(0)

    def timer(self) -> Any:
        """The clocks of the source."""
        return VirtualTimer()

    def _play(self, tmp_path: Path, scene: Callable[[Listener], Awaitable[None]]) -> None:
        async def play() -> None:
            async with asyncio.timeout(2 * PATIENCE):
                await scene(Listener(tmp_path / "source", self.timer()))

        asyncio.run(play())

    def test_equal_options_make_equal_sources(self, plugin: Any) -> None:
        assert attrs.evolve(plugin) == plugin, "a reload would start it again though nothing changed"

    def test_its_doubts_are_single_lines(self, plugin: SourceTrigger) -> None:
        assert [text for text in plugin.warnings() if not text or "\n" in text] == []

    def test_it_tells_what_happens_with_a_key_and_an_event_in_json(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await self.ready(listener)
                await self.provoke(listener, 1)
                (told, *_) = await listener.wait_for(1)
            assert isinstance(told.key, str)
            assert told.key
            assert told.event is None or isinstance(told.event, Mapping)
            assert told.at is None or told.at.tzinfo is not None

        self._play(tmp_path, scene)

    def test_what_happens_again_has_another_key(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await self.ready(listener)
                await self.provoke(listener, 1)
                await listener.wait_for(1)
                await self.provoke(listener, 2)
                await listener.wait_for(2)

        self._play(tmp_path, scene)

    def test_it_ends_when_it_is_told_to_and_leaves_nothing_behind(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            before = asyncio.all_tasks()
            async with listener.watching(plugin) as task:
                await self.ready(listener)
            assert task.done(), "it ignores being cancelled"
            assert task.cancelled() or task.exception() is None, f"it ended with {task.exception()!r}"
            assert asyncio.all_tasks() == before, "tasks of its own go on"

        self._play(tmp_path, scene)

    def test_a_restart_repeats_nothing_and_goes_on(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await self.ready(listener)
                await self.provoke(listener, 1)
                first = await listener.wait_for(1)
            async with listener.watching(plugin):
                await self.ready(listener)
                await self.provoke(listener, 2)
                both = await listener.wait_for(2)
            assert both[0] == first[0]
            assert len(both) == 2 or self.repeats_after_restart, f"it told again: {both}"

        self._play(tmp_path, scene)

    def test_what_can_not_be_kept_now_is_not_passed_over(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            def refuse(_: str) -> EmitResult:
                raise OSError("no space left on device")

            good, listener.answer = listener.answer, refuse
            async with listener.watching(plugin) as task:
                await self.ready(listener)
                await self.provoke(listener, 1)
                await asyncio.wait({task}, timeout=PATIENCE)
                assert task.done(), "it must raise what emit raised, to be started again"
                assert isinstance(task.exception(), OSError)
            listener.answer = good

        self._play(tmp_path, scene)
