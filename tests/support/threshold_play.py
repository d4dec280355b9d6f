"""A threshold of a value that a test sets, sample by sample, on clocks that it moves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from rae_auto.testing.sources import PATIENCE, Listener, VirtualTimer
from rae_plugins.triggers.threshold import ThresholdTrigger
from rae_plugins.triggers.threshold.readers import Unavailable
from rae_plugins.triggers.threshold.sampling import Sample

EVERY = timedelta(seconds=10)


class Clock(VirtualTimer):
    """Clocks that tell when the source waits for its next sample."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.waits.set()
        try:
            await super().sleep(seconds)
        finally:
            self.waits.clear()


@define
class ThresholdWorld:
    """What there is to be measured."""

    value: float | None = 0.0
    error: Exception = field(factory=lambda: Unavailable("it went away"))
    read: int = 0

    async def sample(self) -> float:
        self.read += 1
        if self.value is None:
            raise self.error
        return self.value


@frozen(kw_only=True)
class Scripted(ThresholdTrigger):
    """A threshold of a value that the test sets."""

    world: ThresholdWorld = field(factory=ThresholdWorld, eq=False, repr=False, metadata={"help": "what is measured"})

    def sampler(self) -> Sample:
        return self.world.sample


def scripted(**options: Any) -> Scripted:
    given: dict[str, Any] = {"metric": "load", "above": 90, **options}
    if "below" in given:
        del given["above"]
    return Scripted(**given)


@define
class ThresholdRun:
    """A source at work, sample by sample."""

    source: Scripted
    listener: Listener

    async def ready(self) -> None:
        """Until it waits for its next sample."""
        async with asyncio.timeout(PATIENCE):
            await self.listener.timer.waits.wait()

    async def shows(self, *values: float | None) -> None:
        """The values of the next samples."""
        for value in values:
            await self.ready()
            self.source.world.value = value
            await self.listener.timer.advance(EVERY)
        await self.ready()

    @property
    def told(self) -> list[float]:
        """The values at which it fired."""
        return [occurrence.event["value"] for occurrence in self.listener.occurrences if occurrence.event]


def playing(
    directory: Path,
    source: Scripted,
    scene: Callable[[ThresholdRun], Awaitable[None]],
    *,
    after: float | None = None,
    slept: float | None = None,
) -> ThresholdRun:
    """A source that watches while the scene is played; so long after the start of all, awake or asleep."""

    async def main() -> ThresholdRun:
        listener = Listener(directory, Clock())
        if after:
            await listener.timer.advance(after, step=timedelta(seconds=after))
        if slept:
            await listener.timer.sleep_machine(timedelta(seconds=slept))
        play = ThresholdRun(source, listener)
        async with listener.watching(source) as task:
            await play.ready()
            await scene(play)
            assert not task.done()
        return play

    return asyncio.run(main())
