"""Tests of sources: clocks that a test moves, recorded events in memory, and the conformance suite."""

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

WAIT_TIMEOUT_SECONDS = 30.0
"""Time after which a test stops waiting and fails."""


class VirtualTimer:
    """Clocks that a test moves."""

    def __init__(self, start: datetime = START) -> None:
        self._now = Moment(start, 0.0)
        self._settings = 0
        self._sleepers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def now(self) -> Moment:
        """Return the time of all clocks."""
        return self._now

    @property
    def sleepers(self) -> int:
        """The number of tasks that wait for these clocks; only those notice a change."""
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return when the test has advanced the clocks by so many seconds."""
        until = self._now.mono + seconds
        await self._until(lambda: self._now.mono >= until)

    async def sleep_until(self, instant: datetime) -> None:
        """Return when the test has moved the clock to the instant, has set it, or has suspended the machine."""
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
        """Advance the clocks in steps, and run the tasks that wake up after each."""
        left = by if isinstance(by, timedelta) else timedelta(seconds=by)
        while left > timedelta(0):
            interval = min(step, left)
            left -= interval
            self._now = self._now.later(interval)
            await self._wake()

    async def sleep_machine(self, by: timedelta) -> None:
        """Suspend the machine for so long, and resume it."""
        self._now = Moment(self._now.wall + by, self._now.mono, self._now.slept + by.total_seconds())
        await self._wake()

    async def set_clock(self, by: timedelta) -> None:
        """Set the wall clock forward or back."""
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
    """Recorded events in memory, written by a test."""

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
class EmittedOccurrence:
    """An occurrence that a source emitted."""

    key: str
    event: Mapping[str, Any] | None
    at: datetime | None


class Listener:
    """A stand-in for the daemon: records the occurrences of a source, each key once."""

    def __init__(self, directory: Path, timer: Any = None) -> None:
        """Create a listener; `timer` defaults to clocks that a test moves, `RealTimer()` has the real ones."""
        self.directory = directory
        self.timer = timer or VirtualTimer()
        self.events = EventsInMemory(self.timer if isinstance(self.timer, VirtualTimer) else None)
        self.occurrences: list[EmittedOccurrence] = []
        self.answer: Callable[[str], EmitResult] = lambda key: EmitResult(RunId(f"run-{key}"))
        """Returns the result of an occurrence by its key, or raises, as for a store that can't be written."""
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
        result = self.answer(key)
        json.dumps(event)
        if all(known.key != key for known in self.occurrences):
            self.occurrences.append(EmittedOccurrence(key, event, at))
        async with self._came:
            self._came.notify_all()
        return result

    async def wait_for(self, count: int, within: float = WAIT_TIMEOUT_SECONDS) -> list[EmittedOccurrence]:
        """Wait until there are `count` occurrences and return them. Raises TimeoutError after `within` seconds."""
        try:
            async with asyncio.timeout(within), self._came:
                await self._came.wait_for(lambda: len(self.occurrences) >= count)
        except TimeoutError:
            problem = f"the source emitted {len(self.occurrences)} occurrences instead of {count} within {within:g} s"
            hint = "; its clocks do not move by themselves: advance them in provoke, or let timer() return RealTimer()"
            raise TimeoutError(problem + (hint if isinstance(self.timer, VirtualTimer) else "")) from None
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
                await asyncio.wait_for(
                    asyncio.shield(asyncio.gather(task, return_exceptions=True)), WAIT_TIMEOUT_SECONDS
                )


class RealTimer:
    """The machine's clocks."""

    def now(self) -> Moment:
        """Return the time of all clocks."""
        return Moment(datetime.now(UTC), asyncio.get_running_loop().time())

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, instant: datetime) -> None:
        """Sleep until the instant."""
        await asyncio.sleep(max((instant - datetime.now(UTC)).total_seconds(), 0))


Provoke = Callable[[Listener, int], Awaitable[None]]
"""Makes something happen that the source emits: with each number something else."""


class SourceConformance(PluginConformance):
    """Conformance suite of sources. A subclass has a fixture `plugin` and a method `provoke`.

    Override `ready` if the source needs time before it watches, and `timer` to give it other clocks.
    """

    repeats_after_restart = False
    """True if the source emits again, after a restart, what is still true."""

    @abstractmethod
    async def provoke(self, listener: Listener, number: int) -> None:
        """Make something happen that the source emits once; with another number something else."""

    async def ready(self, listener: Listener) -> None:
        """Return once the source is watching."""
        for _ in range(50):
            await asyncio.sleep(0)

    def timer(self) -> Any:
        """Return the clocks of the source."""
        return VirtualTimer()

    def _play(self, tmp_path: Path, scene: Callable[[Listener], Awaitable[None]]) -> None:
        async def play() -> None:
            async with asyncio.timeout(2 * WAIT_TIMEOUT_SECONDS):
                await scene(Listener(tmp_path / "source", self.timer()))

        asyncio.run(play())

    def test_equal_options_make_equal_sources(self, plugin: Any) -> None:
        assert attrs.evolve(plugin) == plugin, (
            "a reload would restart the source although nothing has changed; compare by options"
        )

    def test_occurrence_has_a_key_and_a_json_event(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await self.ready(listener)
                await self.provoke(listener, 1)
                (occurrence, *_) = await listener.wait_for(1)
            assert isinstance(occurrence.key, str), f"the key is {occurrence.key!r}; use text"
            assert occurrence.key, "the key is empty"
            assert occurrence.event is None or isinstance(occurrence.event, Mapping)
            assert occurrence.at is None or occurrence.at.tzinfo is not None, "the instant has no time zone"

        self._play(tmp_path, scene)

    def test_second_occurrence_has_another_key(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await self.ready(listener)
                await self.provoke(listener, 1)
                await listener.wait_for(1)
                await self.provoke(listener, 2)
                await listener.wait_for(2)

        self._play(tmp_path, scene)

    def test_cancelled_source_ends_without_leftovers(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            before = asyncio.all_tasks()
            async with listener.watching(plugin) as task:
                await self.ready(listener)
            assert task.done(), "the source ignores its cancellation"
            assert task.cancelled() or task.exception() is None, f"the source ended with {task.exception()!r}"
            assert asyncio.all_tasks() == before, "the source left tasks behind"

        self._play(tmp_path, scene)

    def test_restarted_source_repeats_nothing_and_continues(self, plugin: SourceTrigger, tmp_path: Path) -> None:
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
            assert len(both) == 2 or self.repeats_after_restart, f"the source emitted again: {both}"

        self._play(tmp_path, scene)

    def test_error_of_emit_is_raised(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            def refuse(_: str) -> EmitResult:
                raise OSError("no space left on device")

            good, listener.answer = listener.answer, refuse
            async with listener.watching(plugin) as task:
                await self.ready(listener)
                await self.provoke(listener, 1)
                await asyncio.wait({task}, timeout=WAIT_TIMEOUT_SECONDS)
                assert task.done(), "watch must raise the error of emit, so that the source is restarted"
                assert isinstance(task.exception(), OSError)
            listener.answer = good

        self._play(tmp_path, scene)
