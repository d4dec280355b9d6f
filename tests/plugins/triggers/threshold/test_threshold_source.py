"""The threshold as a source: its sampling and its events."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import frozen
from tests.support.threshold_play import (
    EVERY,
    SamplingClock,
    ScriptedThreshold,
    ThresholdRun,
    make_scripted,
    run_threshold_scene,
)

from rae_auto.testing.sources import START, WAIT_TIMEOUT_SECONDS, Listener, SourceConformance
from rae_plugins.triggers.threshold import watcher
from rae_plugins.triggers.threshold.sampling import Sampler


class TestThresholdConforms(SourceConformance):
    @pytest.fixture(params=[{}, {"for_": "10s", "clear": 10}, {"below": 90}], ids=str)
    def plugin(self, request: pytest.FixtureRequest) -> ScriptedThreshold:
        source = make_scripted(**request.param)
        source.world.value = self.calm(source)
        return source

    def calm(self, source: ScriptedThreshold) -> float:
        return 5 if source.below is None else 95

    def timer(self) -> SamplingClock:
        return SamplingClock()

    async def wait_until_ready(self, listener: Listener) -> None:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await listener.timer.is_waiting.wait()

    @pytest.fixture(autouse=True)
    def _of_the_test(self, plugin: ScriptedThreshold) -> None:
        self.source = plugin

    async def provoke(self, listener: Listener, number: int) -> None:
        calm = self.calm(self.source)
        play = ThresholdRun(self.source, listener)
        await play.feed(calm)
        if self.source.for_:
            await play.feed(100 - calm)
        self.source.world.value = 100 - calm
        await listener.timer.advance(EVERY)


# What it tells


def test_threshold_event_describes_the_crossing(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
        await play.feed(95, 96)

    source = make_scripted(for_="10s", metric="process-cpu", of="fire*")
    # A rate is primed for a second before its first sample.
    (fired_values,) = run_threshold_scene(
        tmp_path, source, lambda play: scene_of_a_rate(play, scene)
    ).listener.occurrences
    crossed = START + timedelta(seconds=11)
    assert fired_values.key == crossed.isoformat()
    assert fired_values.at == crossed + EVERY
    assert fired_values.event == {
        "metric": "process-cpu",
        "of": "fire*",
        "value": 96,
        "above": 90,
        "unit": "percent",
        "since": crossed.isoformat(),
        "for": "10s",
    }


async def scene_of_a_rate(play: ThresholdRun, scene: Callable[[ThresholdRun], Awaitable[None]]) -> None:
    assert play.source.world.read == 1
    await play.listener.timer.advance(watcher.RATE_WARMUP_SECONDS)
    await play.wait_until_ready()
    assert play.source.world.read == 2
    await scene(play)


def test_threshold_event_gives_sizes_in_bytes(tmp_path: Path) -> None:
    source = make_scripted(metric="memory-available", below="1KB")
    source.world.value = 2000.0
    (fired_values,) = run_threshold_scene(tmp_path, source, lambda play: play.feed(1000)).listener.occurrences
    assert fired_values.event is not None
    assert (fired_values.event["below"], fired_values.event["unit"], fired_values.event["of"]) == (1024, "bytes", None)
    assert "above" not in fired_values.event


def test_threshold_samples_at_once_and_at_intervals(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
        assert play.source.world.read == 1
        await play.listener.timer.advance(9.5)
        await play.wait_until_ready()
        assert play.source.world.read == 1
        await play.listener.timer.advance(0.5)
        await play.wait_until_ready()
        assert play.source.world.read == 2

    run_threshold_scene(tmp_path, make_scripted(), scene)


def test_slow_reading_does_not_stretch_the_interval(tmp_path: Path) -> None:
    @frozen(kw_only=True)
    class Slow(ScriptedThreshold):
        def make_sampler(self) -> Sampler:
            async def sample() -> float:
                read.append(clock.now().mono)
                await clock.sleep(4)
                return 0.0

            return sample

    async def main() -> None:
        async with (
            Listener(tmp_path, clock).watching(Slow(metric="load", above=90)),
            asyncio.timeout(WAIT_TIMEOUT_SECONDS),
        ):
            for _ in range(25):
                await clock.is_waiting.wait()
                await clock.advance(1)

    read: list[float] = []
    clock = SamplingClock()
    asyncio.run(main())
    assert read == [0, 10, 20]


def test_suspend_restarts_for_in_the_source(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
        await play.feed(95, 95)
        await play.listener.timer.sleep_machine(timedelta(hours=8))
        await play.feed(95, 95)
        assert play.fired_values == []
        await play.feed(96)
        assert play.fired_values == [96]

    run_threshold_scene(tmp_path, make_scripted(for_="20s"), scene)


# What is unavailable


def test_unavailable_value_is_logged_once_and_fires_nothing(tmp_path: Path, log: list[str]) -> None:
    async def scene(play: ThresholdRun) -> None:
        await play.feed(None, None)
        play.source.world.error = OSError(5, "Input/output error")
        await play.feed(None, 50, 95, None, 95)

    source = make_scripted(below=10, metric="process-memory", of="fire*")
    source.world.value = 50
    assert run_threshold_scene(tmp_path, source, scene).fired_values == []
    assert len(log) == 4
    assert log[0] == "WARNING {'job': 'job'} trigger trigger: process-memory of fire* is unavailable: it went away"
    assert log[1] == "INFO {'job': 'job'} trigger trigger: process-memory of fire* is available again"
    assert log[2].endswith("process-memory of fire* is unavailable: OSError: [Errno 5] Input/output error")


def test_first_reading_of_a_rate_is_not_logged(tmp_path: Path, log: list[str]) -> None:
    async def scene(play: ThresholdRun) -> None:
        play.source.world.value = 50
        await play.listener.timer.advance(watcher.RATE_WARMUP_SECONDS)
        await play.feed(50)

    source = make_scripted(metric="process-cpu", of="*")
    source.world.value = None
    run_threshold_scene(tmp_path, source, scene)
    assert log == []
