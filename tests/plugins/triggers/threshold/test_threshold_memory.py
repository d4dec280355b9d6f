"""The state of a threshold over restarts and crashes, and its writes."""

import asyncio
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.threshold_play import EVERY, SamplingClock, ThresholdRun, make_scripted, run_threshold_scene

from rae_auto.api.trigger import EmitResult
from rae_auto.testing.sources import START, WAIT_TIMEOUT_SECONDS, Listener
from rae_plugins.triggers.threshold import watcher


def test_restart_repeats_no_crossing(tmp_path: Path) -> None:
    async def first(play: ThresholdRun) -> None:
        await play.feed(95)

    async def second(play: ThresholdRun) -> None:
        await play.feed(95, 95, 50, 96)

    assert run_threshold_scene(tmp_path, make_scripted(), first).fired_values == [95]
    source = make_scripted()
    source.world.value = 95
    assert run_threshold_scene(tmp_path, source, second, after=3600).fired_values == [96]


def test_crossing_during_downtime_fires(tmp_path: Path) -> None:
    async def nothing(play: ThresholdRun) -> None:
        assert play.source.world.read == 1

    run_threshold_scene(tmp_path, make_scripted(), nothing)
    source = make_scripted()
    source.world.value = 95
    (fired_values,) = run_threshold_scene(tmp_path, source, nothing, after=3600).listener.occurrences
    assert fired_values.at == START + timedelta(hours=1)


def test_time_beyond_the_level_survives_a_restart(tmp_path: Path) -> None:
    async def first(play: ThresholdRun) -> None:
        await play.feed(95, 95, 95)
        assert play.fired_values == []

    async def second(play: ThresholdRun) -> None:
        await play.feed(95)
        assert play.fired_values == []
        await play.feed(96)
        assert play.fired_values == [96]

    run_threshold_scene(tmp_path, make_scripted(for_="40s"), first)
    source = make_scripted(for_="40s")
    source.world.value = 95
    (fired_values,) = run_threshold_scene(tmp_path, source, second, after=3600).listener.occurrences
    assert fired_values.key == (START + EVERY).isoformat()


def test_suspend_during_downtime_restarts_for(tmp_path: Path) -> None:
    async def first(play: ThresholdRun) -> None:
        await play.feed(95, 95, 95)

    async def second(play: ThresholdRun) -> None:
        await play.feed(95, 95, 95)
        assert play.fired_values == []
        await play.feed(96)
        assert play.fired_values == [96]

    run_threshold_scene(tmp_path, make_scripted(for_="40s"), first)
    source = make_scripted(for_="40s")
    source.world.value = 95
    run_threshold_scene(tmp_path, source, second, slept=3600)


def test_cooldown_survives_a_restart(tmp_path: Path) -> None:
    async def first(play: ThresholdRun) -> None:
        await play.feed(95)

    async def second(play: ThresholdRun) -> None:
        await play.feed(95, 95)
        assert play.fired_values == []
        await play.feed(96)
        assert play.fired_values == [96]

    assert run_threshold_scene(tmp_path, make_scripted(cooldown="1h"), first).fired_values == [95]
    # It fired ten seconds after the start.
    run_threshold_scene(tmp_path, make_scripted(cooldown="1h"), second, after=3580)


def test_changed_options_start_a_new_threshold_state(tmp_path: Path) -> None:
    async def nothing(play: ThresholdRun) -> None:
        pass

    run_threshold_scene(tmp_path, make_scripted(above=90), nothing)
    source = make_scripted(above=91)
    source.world.value = 95
    assert run_threshold_scene(tmp_path, source, nothing).fired_values == []


def state_in(directory: Path) -> Any:
    return json.loads((directory / "threshold.json").read_text())


def test_crossing_is_saved_first_and_redelivered_after_a_crash(tmp_path: Path) -> None:
    """The key is the same whether the daemon ended before or after the decision was durable."""
    kept: list[Any] = []

    def crash(key: str) -> EmitResult:
        kept.append((key, state_in(tmp_path)["undelivered"]))
        raise OSError("the end")

    async def crashing() -> None:
        listener = Listener(tmp_path, SamplingClock())
        listener.answer = crash
        source = make_scripted()
        async with listener.watching(source) as task:
            play = ThresholdRun(source, listener)
            await play.wait_until_ready()
            source.world.value = 95
            await listener.timer.advance(EVERY)
            await asyncio.wait({task}, timeout=WAIT_TIMEOUT_SECONDS)
            assert isinstance(task.exception(), OSError)

    async def nothing(play: ThresholdRun) -> None:
        pass

    asyncio.run(crashing())
    ((key, undelivered),) = kept
    assert undelivered == {"since": key, "at": key, "value": 95}
    # By now the value is fine, but what happened has happened.
    play = run_threshold_scene(tmp_path, make_scripted(), nothing, after=3600)
    (fired_values,) = play.listener.occurrences
    assert (fired_values.key, fired_values.at) == (key, START + EVERY)
    assert state_in(tmp_path)["undelivered"] is None
    assert run_threshold_scene(tmp_path, make_scripted(), nothing, after=7200).fired_values == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "damaged ("),
        ('{"options": OPTIONS}', "invalid state ("),
        ('{"options": OPTIONS, "state": {"phase": "odd"}, "undelivered": null}', "invalid state ("),
        (
            '{"options": OPTIONS, "state": {"phase": "pending", "since": null, "seconds_beyond": 1, '
            '"fired_at": null, "slept": null}, "undelivered": null}',
            "invalid state (",
        ),
        ('{"options": OPTIONS, "state": [], "undelivered": null}', "invalid state ("),
    ],
)
def test_unreadable_state_is_reported_and_replaced(tmp_path: Path, log: list[str], content: str, said: str) -> None:
    async def scene(play: ThresholdRun) -> None:
        await play.feed(95)

    (tmp_path / "threshold.json").write_text(content.replace("OPTIONS", json.dumps(repr(make_scripted()))))
    assert run_threshold_scene(tmp_path, make_scripted(), scene).fired_values == [95]
    assert any(said in line for line in log)


def test_unchanged_state_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    write = watcher.StateFile.write
    monkeypatch.setattr(
        watcher.StateFile, "write", lambda file, document: (written.append(document), write(file, document))
    )

    async def scene(play: ThresholdRun) -> None:
        await play.feed(*range(20))
        assert len(written) == 1
        await play.feed(95)
        assert len(written) == 3
        await play.feed(*[95] * 20)
        assert len(written) == 3

    run_threshold_scene(tmp_path, make_scripted(), scene)
    assert len(written) == 3


def test_kill_loses_at_most_ten_seconds_beyond_the_level(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
        for second in range(1, 35):
            play.source.world.value = 95
            await play.listener.timer.advance(1)
            await play.wait_until_ready()
            assert second - 1 - state_in(tmp_path)["state"]["seconds_beyond"] < 10

    run_threshold_scene(tmp_path, make_scripted(for_="1m", every="1s"), scene)
    assert state_in(tmp_path)["state"]["seconds_beyond"] == 33


def test_full_disk_is_reported_once_and_hides_no_crossing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    """It may be the very disk whose free space is watched."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def scene(play: ThresholdRun) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(watcher.StateFile, "write", full)
            await play.feed(95, 96)
        assert play.fired_values == [95]
        await play.feed(97)
        assert state_in(tmp_path)["state"]["phase"] == "fired"

    run_threshold_scene(tmp_path, make_scripted(), scene)
    assert len(log) == 1
    assert "can't save its state: [Errno 28] No space left on device" in log[0]


def test_stopping_waits_for_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, may_end, overlaps = threading.Event(), threading.Event(), []
    busy = threading.Lock()
    write = watcher.StateFile.write

    def slow(file: Any, document: Any) -> None:
        overlaps.append(not busy.acquire(blocking=False))
        started.set()
        assert may_end.wait(WAIT_TIMEOUT_SECONDS)
        write(file, document)
        busy.release()

    async def main() -> None:
        listener = Listener(tmp_path, SamplingClock())
        monkeypatch.setattr(watcher.StateFile, "write", slow)
        task = asyncio.ensure_future(make_scripted().watch(listener.watch()))
        await asyncio.to_thread(started.wait, WAIT_TIMEOUT_SECONDS)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        await asyncio.wait({task}, timeout=WAIT_TIMEOUT_SECONDS)
        assert task.cancelled()

    asyncio.run(main())
    assert not any(overlaps)
