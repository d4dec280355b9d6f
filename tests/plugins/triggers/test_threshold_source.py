"""The threshold as a source: samples in time, what it tells, and what it remembers."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen
from loguru import logger
from tests.waiting import eventually

from rae_auto import Job, RunState, Scheduler, TriggerRef
from rae_auto.api.trigger import Told
from rae_auto.model.instants import Moment
from rae_auto.testing.sources import PATIENCE, START, Listener, RealTimer, SourceConformance, VirtualTimer
from rae_plugins.triggers.threshold import ThresholdTrigger, sampling, watcher
from rae_plugins.triggers.threshold.readers import Unavailable
from rae_plugins.triggers.threshold.sampling import InThread, Sample

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
class World:
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

    world: World = field(factory=World, eq=False, repr=False, metadata={"help": "what is measured"})

    def sampler(self) -> Sample:
        return self.world.sample


def scripted(**options: Any) -> Scripted:
    given: dict[str, Any] = {"metric": "load", "above": 90, **options}
    if "below" in given:
        del given["above"]
    return Scripted(**given)


@define
class Play:
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
    scene: Callable[[Play], Awaitable[None]],
    *,
    after: float | None = None,
    slept: float | None = None,
) -> Play:
    """A source that watches while the scene is played; so long after the start of all, awake or asleep."""

    async def main() -> Play:
        listener = Listener(directory, Clock())
        if after:
            await listener.timer.advance(after, step=timedelta(seconds=after))
        if slept:
            await listener.timer.sleep_machine(timedelta(seconds=slept))
        play = Play(source, listener)
        async with listener.watching(source) as task:
            await play.ready()
            await scene(play)
            assert not task.done()
        return play

    return asyncio.run(main())


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    number = logger.add(lambda message: lines.append(str(message).strip()), format="{level} {extra} {message}")
    logger.enable("rae_plugins")
    yield lines
    logger.remove(number)


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
        play = Play(self.source, listener)
        await play.shows(calm)
        if self.source.for_:
            await play.shows(100 - calm)
        self.source.world.value = 100 - calm
        await listener.timer.advance(EVERY)


# What it tells


def test_it_tells_of_the_crossing_with_all_that_a_job_may_want_to_know(tmp_path: Path) -> None:
    async def scene(play: Play) -> None:
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


async def scene_of_a_rate(play: Play, scene: Callable[[Play], Awaitable[None]]) -> None:
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
    async def scene(play: Play) -> None:
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
    async def scene(play: Play) -> None:
        await play.shows(95, 95)
        await play.listener.timer.sleep_machine(timedelta(hours=8))
        await play.shows(95, 95)
        assert play.told == []
        await play.shows(96)
        assert play.told == [96]

    playing(tmp_path, scripted(for_="20s"), scene)


# What is unavailable


def test_unavailable_is_told_once_with_its_reason_and_fires_nothing(tmp_path: Path, log: list[str]) -> None:
    async def scene(play: Play) -> None:
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
    async def scene(play: Play) -> None:
        play.source.world.value = 50
        await play.listener.timer.advance(watcher.PRIMING)
        await play.shows(50)

    source = scripted(metric="process-cpu", of="*")
    source.world.value = None
    playing(tmp_path, source, scene)
    assert log == []


# What it remembers


def test_what_it_has_told_it_does_not_tell_again_after_a_restart(tmp_path: Path) -> None:
    async def first(play: Play) -> None:
        await play.shows(95)

    async def second(play: Play) -> None:
        await play.shows(95, 95, 50, 96)

    assert playing(tmp_path, scripted(), first).told == [95]
    source = scripted()
    source.world.value = 95
    assert playing(tmp_path, source, second, after=3600).told == [96]


def test_what_crossed_while_the_daemon_was_down_fires(tmp_path: Path) -> None:
    async def nothing(play: Play) -> None:
        assert play.source.world.read == 1

    playing(tmp_path, scripted(), nothing)
    source = scripted()
    source.world.value = 95
    (told,) = playing(tmp_path, source, nothing, after=3600).listener.occurrences
    assert told.at == START + timedelta(hours=1)


def test_the_clock_of_for_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def first(play: Play) -> None:
        await play.shows(95, 95, 95)
        assert play.told == []

    async def second(play: Play) -> None:
        await play.shows(95)
        assert play.told == []
        await play.shows(96)
        assert play.told == [96]

    playing(tmp_path, scripted(for_="40s"), first)
    source = scripted(for_="40s")
    source.world.value = 95
    (told,) = playing(tmp_path, source, second, after=3600).listener.occurrences
    assert told.key == (START + EVERY).isoformat()


def test_a_suspend_while_the_daemon_was_down_begins_for_anew(tmp_path: Path) -> None:
    async def first(play: Play) -> None:
        await play.shows(95, 95, 95)

    async def second(play: Play) -> None:
        await play.shows(95, 95, 95)
        assert play.told == []
        await play.shows(96)
        assert play.told == [96]

    playing(tmp_path, scripted(for_="40s"), first)
    source = scripted(for_="40s")
    source.world.value = 95
    playing(tmp_path, source, second, slept=3600)


def test_the_cool_down_goes_on_over_a_restart(tmp_path: Path) -> None:
    async def first(play: Play) -> None:
        await play.shows(95)

    async def second(play: Play) -> None:
        await play.shows(95, 95)
        assert play.told == []
        await play.shows(96)
        assert play.told == [96]

    assert playing(tmp_path, scripted(cooldown="1h"), first).told == [95]
    # It fired ten seconds after the start.
    playing(tmp_path, scripted(cooldown="1h"), second, after=3580)


def test_other_options_begin_anew(tmp_path: Path) -> None:
    async def nothing(play: Play) -> None:
        pass

    playing(tmp_path, scripted(above=90), nothing)
    source = scripted(above=91)
    source.world.value = 95
    assert playing(tmp_path, source, nothing).told == []


def state_in(directory: Path) -> Any:
    return json.loads((directory / "threshold.json").read_text())


def test_a_firing_is_kept_before_it_is_told_and_told_again_after_a_crash(tmp_path: Path) -> None:
    """Whether the daemon ended before or after it was durable: the key is the same."""
    kept: list[Any] = []

    def crash(key: str) -> Told:
        kept.append((key, state_in(tmp_path)["untold"]))
        raise OSError("the end")

    async def crashing() -> None:
        listener = Listener(tmp_path, Clock())
        listener.answer = crash
        source = scripted()
        async with listener.watching(source) as task:
            play = Play(source, listener)
            await play.ready()
            source.world.value = 95
            await listener.timer.advance(EVERY)
            await asyncio.wait({task}, timeout=PATIENCE)
            assert isinstance(task.exception(), OSError)

    async def nothing(play: Play) -> None:
        pass

    asyncio.run(crashing())
    ((key, untold),) = kept
    assert untold == {"since": key, "at": key, "value": 95}
    # By now the value is fine, but what happened has happened.
    play = playing(tmp_path, scripted(), nothing, after=3600)
    (told,) = play.listener.occurrences
    assert (told.key, told.at) == (key, START + EVERY)
    assert state_in(tmp_path)["untold"] is None
    assert playing(tmp_path, scripted(), nothing, after=7200).told == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is damaged"),
        ('{"options": OPTIONS}', "can't be understood"),
        ('{"options": OPTIONS, "state": {"phase": "odd"}, "untold": null}', "can't be understood"),
        (
            '{"options": OPTIONS, "state": {"phase": "pending", "since": null, "held": 1, '
            '"fired_at": null, "slept": null}, "untold": null}',
            "can't be understood",
        ),
        ('{"options": OPTIONS, "state": [], "untold": null}', "can't be understood"),
    ],
)
def test_a_state_that_can_not_be_understood_is_said_and_begun_anew(
    tmp_path: Path, log: list[str], content: str, said: str
) -> None:
    async def scene(play: Play) -> None:
        await play.shows(95)

    (tmp_path / "threshold.json").write_text(content.replace("OPTIONS", json.dumps(repr(scripted()))))
    assert playing(tmp_path, scripted(), scene).told == [95]
    assert any(said in line for line in log)


def test_while_nothing_changes_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    write = watcher.StateFile.write
    monkeypatch.setattr(
        watcher.StateFile, "write", lambda file, document: (written.append(document), write(file, document))
    )

    async def scene(play: Play) -> None:
        await play.shows(*range(20))
        assert len(written) == 1
        await play.shows(95)
        assert len(written) == 3
        await play.shows(*[95] * 20)
        assert len(written) == 3

    playing(tmp_path, scripted(), scene)
    assert len(written) == 3


def test_of_the_clock_of_for_a_kill_forgets_ten_seconds_at_most(tmp_path: Path) -> None:
    async def scene(play: Play) -> None:
        for second in range(1, 35):
            play.source.world.value = 95
            await play.listener.timer.advance(1)
            await play.ready()
            assert second - 1 - state_in(tmp_path)["state"]["held"] < 10

    playing(tmp_path, scripted(for_="1m", every="1s"), scene)
    assert state_in(tmp_path)["state"]["held"] == 33


def test_a_disk_that_takes_nothing_is_said_once_and_hides_no_crossing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    """It may be the very disk that is watched."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def scene(play: Play) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(watcher.StateFile, "write", full)
            await play.shows(95, 96)
        assert play.told == [95]
        await play.shows(97)
        assert state_in(tmp_path)["state"]["phase"] == "fired"

    playing(tmp_path, scripted(), scene)
    assert len(log) == 1
    assert "can't be kept: [Errno 28] No space left on device" in log[0]


def test_ending_while_it_writes_waits_for_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end, overlaps = threading.Event(), threading.Event(), []
    busy = threading.Lock()
    write = watcher.StateFile.write

    def slow(file: Any, document: Any) -> None:
        overlaps.append(not busy.acquire(blocking=False))
        begun.set()
        assert may_end.wait(PATIENCE)
        write(file, document)
        busy.release()

    async def main() -> None:
        listener = Listener(tmp_path, Clock())
        monkeypatch.setattr(watcher.StateFile, "write", slow)
        task = asyncio.ensure_future(scripted().watch(listener.watch()))
        await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        await asyncio.wait({task}, timeout=PATIENCE)
        assert task.cancelled()

    asyncio.run(main())
    assert not any(overlaps)


# Samples of the real machine


def real(source: ThresholdTrigger, directory: Path) -> Any:
    """What a source tells that samples what is really there."""

    async def main() -> Any:
        listener = Listener(directory, Quick())
        async with listener.watching(source):
            return (await listener.wait_for(1))[0].event

    return asyncio.run(main())


class Quick(RealTimer):
    """Real clocks, but a second is over in a hundredth of it."""

    def now(self) -> Moment:
        moment = super().now()
        return Moment(moment.wall, moment.mono * 100)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


@pytest.mark.parametrize(
    "options",
    [
        {"metric": "cpu", "above": 0.0},
        {"metric": "memory", "above": 1},
        {"metric": "disk-free", "of": "/", "above": "1KB"},
        {"metric": "network-in", "of": "*", "below": "1000GB"},
        {"metric": "process-count", "of": "*", "above": 1},
        {"metric": "process-cpu", "of": "*", "below": 1e9},
        {"command": ["echo", "12"], "above": 11},
    ],
    ids=str,
)
def test_it_fires_on_the_real_machine(tmp_path: Path, options: Any) -> None:
    event = real(ThresholdTrigger(at_start=True, every="1s", **options), tmp_path)
    level = event.get("above", event.get("below"))
    assert event["value"] > level if "above" in event else event["value"] < level


def test_a_command_that_reads_a_file_crosses_when_the_file_does(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("1")

    async def main() -> Any:
        listener = Listener(tmp_path / "state", Quick())
        source = ThresholdTrigger(command=["cat", str(number)], above=10, every="1s")
        async with listener.watching(source):
            await asyncio.to_thread(eventually, (tmp_path / "state" / "threshold.json").exists)
            number.write_text("11")
            return (await listener.wait_for(1))[0].event

    event = asyncio.run(main())
    assert (event["metric"], event["value"], event["unit"]) == ("command", 11, "number")


def test_a_reading_that_hangs_is_unavailable_and_there_is_no_second_beside_it() -> None:
    may_end, read = threading.Event(), []

    def hang() -> float:
        read.append(1)
        assert may_end.wait(PATIENCE)
        return 5.0

    async def main() -> None:
        sample = InThread(hang, timedelta(milliseconds=10))
        with pytest.raises(Unavailable, match="took longer than 10ms"):
            await sample()
        with pytest.raises(Unavailable, match="still hangs"):
            await sample()
        assert len(read) == 1
        may_end.set()
        sample.timeout = timedelta(seconds=PATIENCE)
        while True:
            try:
                assert await sample() == 5
                return
            except Unavailable:
                await asyncio.sleep(0.001)

    asyncio.run(main())
    assert len(read) == 2


def test_a_reading_that_hangs_holds_up_no_end_of_the_daemon() -> None:
    may_end, threads = threading.Event(), []

    def hang() -> float:
        threads.append(threading.current_thread())
        assert may_end.wait(PATIENCE)
        return 5.0

    async def main() -> None:
        with pytest.raises(Unavailable):
            await InThread(hang, timedelta(milliseconds=10))()

    asyncio.run(main())
    assert threads[0].is_alive()
    assert threads[0].daemon
    may_end.set()
    threads[0].join(PATIENCE)
    assert not threads[0].is_alive()


def test_what_a_reading_raises_comes_to_whoever_asked() -> None:
    def fail() -> float:
        raise PermissionError("not yours")

    with pytest.raises(PermissionError, match="not yours"):
        asyncio.run(sampling.InThread(fail, timedelta(seconds=PATIENCE))())


# With all of the rest


def test_a_job_runs_when_its_number_crosses_and_once_though_the_daemon_is_restarted(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("11")
    options = {"command": ["cat", str(number)], "above": 10, "every": "1s", "at_start": True}
    job = Job(id="a", python="time:time", schedule=TriggerRef("threshold", options))
    kept = tmp_path / "state" / "triggers" / "a" / "threshold" / "threshold.json"

    async def ran(until: Callable[[], bool]) -> list[Any]:
        async with Scheduler(directory=tmp_path / "state", store="json", jobs=[job]) as scheduler:
            await asyncio.to_thread(eventually, until)
            return [await scheduler.wait(run.id) for run in await scheduler.history()]

    (run,) = asyncio.run(ran(lambda: kept.exists() and json.loads(kept.read_text())["state"]["phase"] == "fired"))
    assert (run.state, run.event["value"], run.key) == (RunState.SUCCEEDED, 11, run.event["since"])
    number.write_text("5")
    assert len(asyncio.run(ran(lambda: json.loads(kept.read_text())["state"]["phase"] == "armed"))) == 1
