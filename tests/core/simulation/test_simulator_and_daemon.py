"""The simulator plays the same configuration and events as the daemon does, and the same fires."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from attrs import frozen
from tests.support.patterns import Every, Silence

from rae_auto.api import Event, ScheduleTrigger
from rae_auto.api.pattern import PatternTrigger
from rae_auto.api.plugin import Kind
from rae_auto.config.options import make
from rae_auto.model.job_state import Span
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.primitives.names import JobId
from rae_auto.registry import Registry
from rae_auto.simulation.scripted_sources import ScriptedSources
from rae_auto.testing.sources import START, Listener

SECOND = timedelta(seconds=1)


@frozen
class Quarterly(ScheduleTrigger):
    """Each quarter of a minute, and not at the start itself, which for a simulation is a part of the time to come."""

    type = "quarterly"

    def next_after(self, instant):
        return instant.replace(microsecond=0) + (15 - (instant.second - 7) % 15) * SECOND


def usage(**options):
    return make(Kind.TRIGGER, TriggerRef("usage", {"of": "tick", **options}), Registry(), "UTC")


def combined(**options):
    return make(Kind.TRIGGER, TriggerRef("combine", options), Registry(), "UTC")


SCENES = {
    "every third": Every(),
    "silence": Silence(),
    "a schedule inside": Every(count=3, inner={"quarter": Quarterly()}),
    "a pattern inside": Every(count=2, inner={"third": Every()}),
    "count": usage(pattern="count", count=3, within="40s"),
    "absence": usage(pattern="absence", **{"for": "45s"}),
    "first of day": usage(pattern="first_of_day"),
    "sequence": combined(
        sequence=[
            {"type": "usage", "pattern": "count", "of": "tick", "count": 2, "within": "1m"},
            {"type": "interval", "every": "30s"},
        ],
        within="5m",
    ),
}

TICKS = (3, 10, 25, 26, 90, 100, 101, 102, 200, 290, 291, 300)
LENGTH = 320
DOWN = (110, 180)


async def _in_the_daemon(pattern: PatternTrigger, listener: Listener, ticks, down):
    """Return the firings of a pattern that really watches, by clocks that the test moves."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
    now = 0
    stretches = [(0, LENGTH)] if down is None else [(0, down[0]), (down[1], LENGTH)]
    for begin, end in stretches:
        if begin > now:
            await listener.timer.advance(begin - now, step=timedelta(seconds=begin - now))
            now = begin
        async with listener.watching(pattern):
            await _settle()
            while now < end:
                await listener.timer.advance(1)
                now += 1
                if now in ticks:
                    await listener.events.record("tick")
                await _settle()
    return [(emitted.key, emitted.at, emitted.event) for emitted in listener.occurrences]


async def _settle():
    """Wait until nothing is left to do: the one thread that writes comes back in order, so this needs no clock."""
    for _ in range(6):
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.to_thread(lambda: None)


def _in_the_simulator(pattern: PatternTrigger, ticks, down):
    sources = ScriptedSources.start({(JobId("job"), "trigger"): pattern}, START)
    emitted = []
    events = [Event(f"event-{n}", "tick", START + at * SECOND, {}) for n, at in enumerate(ticks)]
    gap = None if down is None else Span(START + down[0] * SECOND, START + down[1] * SECOND)
    for event in events:
        if gap is not None and event.at > gap.until:
            emitted += sources.skip(gap)
            gap = None
        emitted += sources.handle(event)
    emitted += sources.skip(gap) if gap is not None else []
    emitted += sources.advance(START + LENGTH * SECOND)
    return [(one.key, one.at, one.event) for one in emitted]


@pytest.mark.parametrize("down", [None, DOWN], ids=["up", "down for a while"])
@pytest.mark.parametrize("name", SCENES)
def test_the_same_fires(tmp_path, name, down):
    pattern = SCENES[name]
    emitted = asyncio.run(_in_the_daemon(pattern, Listener(tmp_path), TICKS, down))
    assert emitted, "something is to be compared"
    assert _in_the_simulator(pattern, TICKS, down) == emitted
