"""Tests of sources: clocks that a test moves, recorded events in memory, and the conformance suite."""

import asyncio
import inspect
import json
import traceback
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.api.events import Event, StreamPosition, is_named
from rae_auto.api.trigger import EmitResult
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.model.primitives.names import RunId
from rae_auto.runtime.pattern_runner import run_pattern
from rae_auto.testing import time_limits
from rae_auto.testing.harness.child_process import run_until_killed
from rae_auto.testing.harness.clocks import START as START
from rae_auto.testing.harness.clocks import RealTimer as RealTimer
from rae_auto.testing.harness.clocks import VirtualTimer as VirtualTimer
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.time_limits import run_within_limit

WAIT_TIMEOUT_SECONDS = 30.0
"""Time after which a test stops waiting and fails."""

FORGOTTEN_AWAIT_SECONDS = 1.0
"""Time after which an emission that has not started counts as one that the source forgot to await."""


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
        self.withdrawn: list[tuple[str, str]] = []
        """The keys of occurrences that it took back, each with the event that came before the delay was over."""
        self.traces: list[str] = []
        """The lines that the source showed by `TriggerContext.trace`."""
        self._came = asyncio.Condition()
        self._watching: list[asyncio.Task[None]] = []
        self._mistake: Exception | None = None

    async def withdraw(self, key: str, by: str) -> None:
        """Record a withdrawal, as `TriggerContext.withdraw` does."""
        self.withdrawn.append((key, by))

    async def emit(
        self,
        key: str,
        event: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        *,
        feedback_key: str | None = None,
    ) -> EmitResult:
        """Record an occurrence, as `TriggerContext.emit` does."""
        try:
            check_occurrence(key, event)
        except TypeError as error:
            # Remembered too, should the source swallow it.
            self._mistake = error
            raise
        result = self.answer(key)
        if all(known.key != key for known in self.occurrences):
            self.occurrences.append(EmittedOccurrence(key, event, at))
        async with self._came:
            self._came.notify_all()
        return result

    async def wait_for(self, count: int, within: float = WAIT_TIMEOUT_SECONDS) -> list[EmittedOccurrence]:
        """Wait until there are `count` occurrences and return them.

        Raises TimeoutError after `within` seconds, and AssertionError at once, from the error of the source, when the
        source ends or emits something that is not allowed.
        """
        deadline = asyncio.get_running_loop().time() + within
        while len(self.occurrences) < count:
            self.check_source()
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                problem = (
                    f"the source emitted {len(self.occurrences)} occurrences instead of {count} within {within:g} s"
                )
                hint = (
                    "; its clocks do not move by themselves: advance them in provoke, or let timer() return RealTimer()"
                )
                raise TimeoutError(problem + (hint if isinstance(self.timer, VirtualTimer) else ""))
            await self._wait_for_change(left)
        return list(self.occurrences)

    async def wait_until_ready(self, ready: Awaitable[None]) -> None:
        """Wait for what a suite's `ready` waits for. Raises AssertionError at once, when the source ends before."""
        waiting = asyncio.ensure_future(ready)
        try:
            await asyncio.wait({waiting, *self._watching}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                self.check_source()
            await waiting
        finally:
            waiting.cancel()

    async def _wait_for_change(self, seconds: float) -> None:
        """Return when there is another occurrence or mistake, or a source has ended."""
        known = len(self.occurrences)

        async def wait() -> None:
            async with self._came:
                # Looked at first: it may have come before this task begins to wait.
                await self._came.wait_for(lambda: len(self.occurrences) != known or self._mistake is not None)

        change = asyncio.get_running_loop().create_task(wait())
        try:
            await asyncio.wait({change, *self._watching}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            await asyncio.gather(change, return_exceptions=True)

    def check_source(self) -> None:
        """Raise AssertionError if the source has ended, or emitted something that is not allowed."""
        if self._mistake is not None:
            raise AssertionError(f"the source made a mistake: {self._mistake}") from self._mistake
        for task in self._watching:
            if task.done():
                error = None if task.cancelled() else task.exception()
                if error is None:
                    raise AssertionError("watch returned; let it go on until it is cancelled")
                if not isinstance(error, Exception):
                    raise error
                raise AssertionError(f"watch raised {error!r}{_place_of(error)}; fix it, or catch it there") from error

    def _begin_emit(self, *arguments: Any, **options: Any) -> Coroutine[Any, Any, EmitResult]:
        """Return what a source has to await, and notice if it doesn't."""
        emitting = self.emit(*arguments, **options)
        loop = asyncio.get_running_loop()

        def check() -> None:
            if inspect.iscoroutine(emitting) and inspect.getcoroutinestate(emitting) == inspect.CORO_CREATED:
                emitting.close()
                self._mistake = RuntimeError('emit was called but not awaited; write "await context.emit(…)"')
                notifying.append(loop.create_task(self._notify()))

        notifying: list[asyncio.Task[None]] = []
        loop.call_later(FORGOTTEN_AWAIT_SECONDS, check)
        return emitting

    async def _notify(self) -> None:
        async with self._came:
            self._came.notify_all()

    def watch(self, job: str = "job", trigger: str = "trigger") -> TriggerContext:
        """Return the context of a source."""
        return TriggerContext(
            job,
            trigger,
            self.directory,
            self._begin_emit,
            self.timer,
            self.events,
            run_pattern=run_pattern,
            withdraw=self.withdraw,
            trace=self.traces.append,
        )

    def as_document(self) -> dict[str, Any]:
        """Return in JSON what outlives a daemon: recorded events, occurrences, and the clocks."""
        now = self.timer.now()
        return {
            "clocks": [format_instant(now.wall), now.mono, now.slept],
            "events": [[one.id, one.name, format_instant(one.at), {**one.data}] for one in self.events.recorded],
            "occurrences": [[one.key, one.event, one.at and format_instant(one.at)] for one in self.occurrences],
        }

    def take_over(self, document: Mapping[str, Any]) -> None:
        """Begin with what the listener of another process had."""
        wall, mono, slept = document["clocks"]
        if isinstance(self.timer, VirtualTimer):
            self.timer.begin_at(Moment(parse_instant(wall), mono, slept))
        self.events.recorded += [
            Event(identity, name, parse_instant(at), data) for identity, name, at, data in document["events"]
        ]
        self.occurrences += [
            EmittedOccurrence(key, event, at and parse_instant(at)) for key, event, at in document["occurrences"]
        ]

    def begin(self, source: SourceTrigger) -> "asyncio.Task[None]":
        """Run the source until the loop ends."""
        task = asyncio.get_running_loop().create_task(source.watch(self.watch()))
        self._watching.append(task)
        return task

    @asynccontextmanager
    async def watching(self, source: SourceTrigger) -> AsyncIterator["asyncio.Task[None]"]:
        """Run the source within the block."""
        task = self.begin(source)
        try:
            yield task
        finally:
            self._watching.remove(task)
            task.cancel()
            await asyncio.wait({task}, timeout=time_limits.CANCEL_TIMEOUT_SECONDS)
            assert task.done(), "the source ignores its cancellation; let watch raise CancelledError again"


def check_occurrence(key: Any, event: Any) -> None:
    """Raise TypeError for what no source may emit: a key that isn't text, or an event that isn't JSON."""
    if not isinstance(key, str):
        raise TypeError(f"the key is {key!r}; use text")
    try:
        json.dumps(event)
    except (TypeError, ValueError) as error:
        hint = "use text, numbers, booleans, None, and lists and dictionaries of them"
        raise TypeError(f'the event of the key "{key}" is not JSON ({error}); {hint}') from error


def _place_of(error: BaseException) -> str:
    """Return the line that raised an error: the last one in the folder of `watch`, or the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    folders = [Path(frame.filename).parent for frame in frames if frame.name == "watch"]
    own = [frame for frame in frames if folders and Path(frame.filename).is_relative_to(folders[-1])]
    last = (own or frames)[-1:]
    return "".join(f" at {frame.filename}:{frame.lineno}" for frame in last)


CLOCK_CHANGES: Sequence[Callable[[Any], Awaitable[None]]] = (
    lambda timer: timer.set_clock(timedelta(hours=-1)),
    lambda timer: timer.set_clock(timedelta(hours=1)),
    lambda timer: timer.sleep_machine(timedelta(minutes=20)),
)
"""Changes of the clocks of a source: they are set back, set right, and the machine sleeps."""


class SourceConformance(PluginConformance):
    """Conformance suite of sources. A subclass has a fixture `plugin` and a method `provoke`.

    Override `ready` if the source needs time before it watches, and `timer` to give it other clocks.
    """

    repeats_after_restart = False
    """True if the source emits again, after a restart, what is still true."""

    fires_by_the_clock = False
    """True if the source emits something when the clock is set, or when the machine has slept."""

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
            await scene(Listener(tmp_path / "source", self.timer()))

        run_within_limit(play(), "the source")

    def test_equal_options_make_equal_sources(self, plugin: Any) -> None:
        assert attrs.evolve(plugin) == plugin, (
            "a reload would restart the source although nothing has changed; compare by options"
        )

    def test_occurrence_has_a_key_and_a_json_event(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await listener.wait_until_ready(self.ready(listener))
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
                await listener.wait_until_ready(self.ready(listener))
                await self.provoke(listener, 1)
                await listener.wait_for(1)
                await self.provoke(listener, 2)
                await listener.wait_for(2)

        self._play(tmp_path, scene)

    def test_cancelled_source_ends_without_leftovers(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            before = asyncio.all_tasks()
            async with listener.watching(plugin) as task:
                await listener.wait_until_ready(self.ready(listener))
            assert task.done(), "the source ignores its cancellation"
            assert task.cancelled() or task.exception() is None, f"the source ended with {task.exception()!r}"
            assert asyncio.all_tasks() == before, "the source left tasks behind"

        self._play(tmp_path, scene)

    def test_restarted_source_repeats_nothing_and_continues(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await listener.wait_until_ready(self.ready(listener))
                await self.provoke(listener, 1)
                first = await listener.wait_for(1)
            async with listener.watching(plugin):
                await listener.wait_until_ready(self.ready(listener))
                await self.provoke(listener, 2)
                both = await listener.wait_for(2)
            assert both[0] == first[0]
            assert len(both) == 2 or self.repeats_after_restart, f"the source emitted again: {both}"

        self._play(tmp_path, scene)

    def test_source_of_a_killed_daemon_repeats_nothing_and_continues(
        self, plugin: SourceTrigger, tmp_path: Path
    ) -> None:
        folder = tmp_path / "source"

        async def emit_one() -> Any:
            listener = Listener(folder, self.timer())
            listener.begin(plugin)
            await listener.wait_until_ready(self.ready(listener))
            await self.provoke(listener, 1)
            await listener.wait_for(1)
            return listener.as_document()

        async def go_on(document: Any) -> None:
            listener = Listener(folder, self.timer())
            listener.take_over(document)
            async with listener.watching(plugin):
                await listener.wait_until_ready(self.ready(listener))
                await self.provoke(listener, 2)
                found = await listener.wait_for(2)
            assert len(found) == 2 or self.repeats_after_restart, (
                f"the source emitted again what it had emitted before the kill: {[one.key for one in found]}; "
                "give what is the same the same key, or keep its state before you emit"
            )

        run_within_limit(go_on(run_until_killed(emit_one)), "the source after a kill")

    def test_clock_steps_and_suspend_repeat_and_lose_nothing(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            async with listener.watching(plugin):
                await listener.wait_until_ready(self.ready(listener))
                await self.provoke(listener, 1)
                await listener.wait_for(1)
                for change in CLOCK_CHANGES:
                    await change(listener.timer)
                    for _ in range(50):
                        await asyncio.sleep(0)
                    listener.check_source()
                count = len(listener.occurrences)
                assert count == 1 or self.fires_by_the_clock, (
                    f"the source emitted {count - 1} more when only the clock had changed; measure spans with "
                    "Moment.mono, or set fires_by_the_clock = True in the test"
                )
                await self.provoke(listener, 2)
                await listener.wait_for(count + 1)

        self._play(tmp_path, scene)

    def test_error_of_emit_is_raised(self, plugin: SourceTrigger, tmp_path: Path) -> None:
        async def scene(listener: Listener) -> None:
            def refuse(_: str) -> EmitResult:
                raise OSError("no space left on device")

            good, listener.answer = listener.answer, refuse
            async with listener.watching(plugin) as task:
                await listener.wait_until_ready(self.ready(listener))
                await self.provoke(listener, 1)
                await asyncio.wait({task}, timeout=WAIT_TIMEOUT_SECONDS)
                assert task.done(), "watch must raise the error of emit, so that the source is restarted"
                error = task.exception()
                assert isinstance(error, OSError), (
                    f"watch ended with {error!r} instead of the error of emit; raise that"
                )
            listener.answer = good

        self._play(tmp_path, scene)
