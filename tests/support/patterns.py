"""Patterns and parts for tests of pattern runners, and access to their stored state."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import field, frozen
from tests.support.waiting import until

from rae_auto.api import (
    Event,
    Firing,
    PatternTrigger,
    ScheduleTrigger,
    SourceTrigger,
    StepResult,
    Trigger,
    TriggerContext,
)
from rae_auto.api.pattern import GAP, State
from rae_auto.api.trigger import EmitResult
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import RunId
from rae_auto.testing.sources import Listener, VirtualTimer

SECOND = timedelta(seconds=1)


@frozen
class Every(PatternTrigger):
    """Fires at every `count`th tick, with the ids of the ticks; gaps are recorded in the state."""

    type = "every"
    count: int = 3
    inner: Mapping[str, Trigger] = field(factory=dict)

    def event_names(self) -> tuple[str, ...]:
        return () if self.inner else ("tick",)

    def parts(self) -> Mapping[str, Trigger]:
        return self.inner

    def begin(self, now: datetime) -> StepResult:
        return StepResult({"ids": [], "gaps": []})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        if event is None:
            return StepResult(state)
        if event.name == GAP:
            gap = [event.data["why"], format_instant(event.at), format_instant(now)]
            return StepResult({**state, "gaps": [*state["gaps"], gap]})
        ids = [*state["ids"], event.id]
        if len(ids) < self.count:
            return StepResult({**state, "ids": ids})
        return StepResult({**state, "ids": []}, (Firing("+".join(ids), event.at, {"ids": ids}),))


@frozen
class Silence(PatternTrigger):
    """Fires when there was no tick for a minute, and again after each further minute."""

    type = "silence"

    def event_names(self) -> tuple[str, ...]:
        return ("tick",)

    def begin(self, now: datetime) -> StepResult:
        return StepResult({}, (), now + timedelta(minutes=1))

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        fired = () if event is not None else (Firing(f"silent-{now:%H%M%S}", now),)
        return StepResult(state, fired, now + timedelta(minutes=1))


@frozen
class StuckPattern(Silence):
    """Requests the next step at once, forever."""

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        return StepResult(state, (), now)


@frozen
class Repeating(SourceTrigger):
    """Emits the same keys at each start, then waits."""

    type = "repeating"
    keys: Sequence[str] = ()

    async def watch(self, context: TriggerContext) -> None:
        for key in self.keys:
            await context.emit(key, {"directory": context.directory.name, "trigger": context.trigger})
        await asyncio.Event().wait()


@frozen
class Minutes(ScheduleTrigger):
    """Fires at each full minute."""

    type = "minutes"
    step: int = 1

    def next_after(self, instant: datetime) -> datetime | None:
        return instant.replace(second=0, microsecond=0) + timedelta(minutes=self.step)


def play(scene: Callable[[Listener], Awaitable[None]], directory: Path, timer: VirtualTimer | None = None) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            await scene(Listener(directory, timer))

    asyncio.run(main())


async def idle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def read_document(directory: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((directory / "pattern.json").read_bytes()))
    except (FileNotFoundError, ValueError):
        return {"seen": {}, "state": {"ids": []}}


def has_document(directory: Path) -> bool:
    return (directory / "pattern.json").exists()


def state_of(directory: Path) -> dict[str, Any]:
    return dict(read_document(directory).get("state", {}))


async def ticks(listener: Listener, directory: Path, count: int) -> None:
    """Record `count` ticks, and wait until the state includes the last one."""
    for _ in range(count):
        event = await listener.events.record("tick")
    await until(lambda: event.id in read_document(directory).get("ids", ()))


def noting(listener: Listener) -> list[str]:
    """Return the list of emitted keys, with repetitions, which grows."""
    emitted: list[str] = []

    def answer(key: str) -> EmitResult:
        emitted.append(key)
        return EmitResult(RunId(f"run-{key}"))

    listener.answer = answer
    return emitted


def refuse(_: str) -> EmitResult:
    raise OSError("no space left on device")


async def ends_with(task: "asyncio.Task[None]", kind: type[Exception]) -> None:
    await asyncio.wait({task}, timeout=30)
    assert isinstance(task.exception(), kind)
