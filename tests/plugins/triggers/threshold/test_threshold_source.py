"""The threshold as a source: samples in time, and what it tells."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import frozen
from tests.support.threshold_play import EVERY, Clock, Scripted, ThresholdRun, playing, scripted

from rae_auto.testing.sources import PATIENCE, START, Listener, SourceConformance
from rae_plugins.triggers.threshold import watcher
from rae_plugins.triggers.threshold.sampling import Sample


class TestThresholdConforms(SourceConformance):
    @pytest.fixture(params=[{}, {"for_": "10s", "clear": 10}, {"below": 90}], ids=str)
    def plugin(self, request: pytest.FixtureRequest) -> Scripted:
        source = scripted(**request.param)
        source.world.value = self.calm(source)
        return source

    def calm(self, source: Scripted) -> float:
        return 5 if source.below is None else 95

    def timer(self) -> Clock:
        return Clock()

    async def ready(self, listener: Listener) -> None:
        async with asyncio.timeout(PATIENCE):
            await listener.timer.waits.wait()

    @pytest.fixture(autouse=True)
    def _of_the_test(self, plugin: Scripted) -> None:
        self.source = plugin

    async def provoke(self, listener: Listener, number: int) -> None:
        calm = self.calm(self.source)
        play = ThresholdRun(self.source, listener)
        await play.shows(calm)
        if self.source.for_:
            await play.shows(100 - calm)
        self.source.world.value = 100 - calm
        await listener.timer.advance(EVERY)


# What it tells


def test_it_tells_of_the_crossing_with_all_that_a_job_may_want_to_know(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
        await play.shows(95, 96)

    source = scripted(for_="10s", metric="process-cpu", of="fire*")
    # A rate is primed for a second before its first sample.
    (told,) = playing(tmp_path, source, lambda play: scene_of_a_rate(play, scene)).listener.occurrences
    crossed = START + timedelta(seconds=11)
    assert told.key == crossed.isoformat()
    assert told.at == crossed + EVERY
    assert told.event == {
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
    await play.listener.timer.advance(watcher.PRIMING)
    await play.ready()
    assert play.source.world.read == 2
    await scene(play)


def test_a_size_is_told_in_bytes_and_below_as_below(tmp_path: Path) -> None:
    source = scripted(metric="memory-available", below="1KB")
    source.world.value = 2000.0
    (told,) = playing(tmp_path, source, lambda play: play.shows(1000)).listener.occurrences
    assert told.event is not None
    assert (told.event["below"], told.event["unit"], told.event["of"]) == (1024, "bytes", None)
    assert "above" not in told.event


def test_it_takes_a_sample_at_once_and_then_every_so_often(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
        assert play.source.world.read == 1
        await play.listener.timer.advance(9.5)
        await play.ready()
        assert play.source.world.read == 1
        await play.listener.timer.advance(0.5)
        await play.ready()
        assert play.source.world.read == 2

    playing(tmp_path, scripted(), scene)


def test_a_reading_that_takes_time_does_not_make_it_any_rarer(tmp_path: Path) -> None:
    @frozen(kw_only=True)
    class Slow(Scripted):
        def sampler(self) -> Sample:
            async def sample() -> float:
                read.append(clock.now().mono)
                await clock.sleep(4)
                return 0.0

            return sample

    async def main() -> None:
        async with Listener(tmp_path, clock).watching(Slow(metric="load", above=90)), asyncio.timeout(PATIENCE):
            for _ in range(25):
                await clock.waits.wait()
                await clock.advance(1)

    read: list[float] = []
    clock = Clock()
    asyncio.run(main())
    assert read == [0, 10, 20]


def test_a_suspend_begins_for_anew(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
        await play.shows(95, 95)
        await play.listener.timer.sleep_machine(timedelta(hours=8))
        await play.shows(95, 95)
        assert play.told == []
        await play.shows(96)
        assert play.told == [96]

    playing(tmp_path, scripted(for_="20s"), scene)


# What is unavailable


def test_unavailable_is_told_once_with_its_reason_and_fires_nothing(tmp_path: Path, log: list[str]) -> None:
    async def scene(play: ThresholdRun) -> None:
        await play.shows(None, None)
        play.source.world.error = OSError(5, "Input/output error")
        await play.shows(None, 50, 95, None, 95)

    source = scripted(below=10, metric="process-memory", of="fire*")
    source.world.value = 50
    assert playing(tmp_path, source, scene).told == []
    assert len(log) == 4
    assert log[0] == "WARNING {'job': 'job'} trigger trigger: process-memory of fire* is unavailable: it went away"
    assert log[1] == "INFO {'job': 'job'} trigger trigger: process-memory of fire* is available again"
    assert log[2].endswith("process-memory of fire* is unavailable: OSError: [Errno 5] Input/output error")


def test_that_a_rate_has_no_value_at_first_is_no_news(tmp_path: Path, log: list[str]) -> None:
    async def scene(play: ThresholdRun) -> None:
        play.source.world.value = 50
        await play.listener.timer.advance(watcher.PRIMING)
        await play.shows(50)

    source = scripted(metric="process-cpu", of="*")
    source.world.value = None
    playing(tmp_path, source, scene)
    assert log == []
