"""A threshold whose value a test sets, sample by sample, on clocks that the test moves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from rae_auto.testing.sources import WAIT_TIMEOUT_SECONDS, Listener, VirtualTimer
from rae_plugins.triggers.threshold import ThresholdTrigger
from rae_plugins.triggers.threshold.readers import Unavailable
from rae_plugins.triggers.threshold.sampling import Sampler

EVERY = timedelta(seconds=10)


class SamplingClock(VirtualTimer):
    """Virtual clocks that show when the source waits for its next sample."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waiting = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.is_waiting.set()
        try:
            await super().sleep(seconds)
        finally:
            self.is_waiting.clear()


@define
class MeasuredWorld:
    """The value to measure, or None for an error."""

    value: float | None = 0.0
    error: Exception = field(factory=lambda: Unavailable("it went away"))
    read: int = 0

    async def sample(self) -> float:
        self.read += 1
        if self.value is None:
            raise self.error
        return self.value


@frozen(kw_only=True)
class ScriptedThreshold(ThresholdTrigger):
    """A threshold whose value the test sets."""

    world: MeasuredWorld = field(factory=MeasuredWorld, eq=False, repr=False, metadata={"help": "what is measured"})

    def make_sampler(self) -> Sampler:
        return self.world.sample


def make_scripted(**options: Any) -> ScriptedThreshold:
    given: dict[str, Any] = {"metric": "load", "above": 90, **options}
    if "below" in given:
        del given["above"]
    return ScriptedThreshold(**given)


@define
class ThresholdRun:
    """A running source that takes one sample after another."""

    source: ScriptedThreshold
    listener: Listener

    async def wait_until_ready(self) -> None:
        """Return when the source waits for its next sample."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await self.listener.timer.is_waiting.wait()

    async def feed(self, *values: float | None) -> None:
        """Give the source its next samples."""
        for value in values:
            await self.wait_until_ready()
            self.source.world.value = value
            await self.listener.timer.advance(EVERY)
        await self.wait_until_ready()

    @property
    def fired_values(self) -> list[float]:
        """The values at which the threshold fired."""
        return [occurrence.event["value"] for occurrence in self.listener.occurrences if occurrence.event]


def run_threshold_scene(
    directory: Path,
    source: ScriptedThreshold,
    scene: Callable[[ThresholdRun], Awaitable[None]],
    *,
    after: float | None = None,
    slept: float | None = None,
) -> ThresholdRun:
    """Run a source during a scene, which begins so long after the start of the clocks, awake or asleep."""

    async def main() -> ThresholdRun:
        listener = Listener(directory, SamplingClock())
        if after:
            await listener.timer.advance(after, step=timedelta(seconds=after))
        if slept:
            await listener.timer.sleep_machine(timedelta(seconds=slept))
        play = ThresholdRun(source, listener)
        async with listener.watching(source) as task:
            await play.wait_until_ready()
            await scene(play)
            assert not task.done()
        return play

    return asyncio.run(main())
