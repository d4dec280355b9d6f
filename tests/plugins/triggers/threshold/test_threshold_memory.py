"""What a threshold remembers over restarts and crashes, and what it writes for that."""

import asyncio
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.threshold_play import EVERY, Clock, ThresholdRun, playing, scripted

from rae_auto.api.trigger import EmitResult
from rae_auto.testing.sources import PATIENCE, START, Listener
from rae_plugins.triggers.threshold import watcher


def test_what_it_has_told_it_does_not_tell_again_after_a_restart(tmp_path: Path) -> None:
    async def first(play: ThresholdRun) -> None:
        await play.shows(95)

    async def second(play: ThresholdRun) -> None:
        await play.shows(95, 95, 50, 96)

    assert playing(tmp_path, scripted(), first).told == [95]
    source = scripted()
    source.world.value = 95
    assert playing(tmp_path, source, second, after=3600).told == [96]


def test_what_crossed_while_the_daemon_was_down_fires(tmp_path: Path) -> None:
    async def nothing(play: ThresholdRun) -> None:
        assert play.source.world.read == 1

    playing(tmp_path, scripted(), nothing)
    source = scripted()
    source.world.value = 95
    (told,) = playing(tmp_path, source, nothing, after=3600).listener.occurrences
    assert told.at == START + timedelta(hours=1)


def test_the_clock_of_for_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def first(play: ThresholdRun) -> None:
        await play.shows(95, 95, 95)
        assert play.told == []

    async def second(play: ThresholdRun) -> None:
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
    async def first(play: ThresholdRun) -> None:
        await play.shows(95, 95, 95)

    async def second(play: ThresholdRun) -> None:
        await play.shows(95, 95, 95)
        assert play.told == []
        await play.shows(96)
        assert play.told == [96]

    playing(tmp_path, scripted(for_="40s"), first)
    source = scripted(for_="40s")
    source.world.value = 95
    playing(tmp_path, source, second, slept=3600)


def test_the_cool_down_goes_on_over_a_restart(tmp_path: Path) -> None:
    async def first(play: ThresholdRun) -> None:
        await play.shows(95)

    async def second(play: ThresholdRun) -> None:
        await play.shows(95, 95)
        assert play.told == []
        await play.shows(96)
        assert play.told == [96]

    assert playing(tmp_path, scripted(cooldown="1h"), first).told == [95]
    # It fired ten seconds after the start.
    playing(tmp_path, scripted(cooldown="1h"), second, after=3580)


def test_other_options_begin_anew(tmp_path: Path) -> None:
    async def nothing(play: ThresholdRun) -> None:
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

    def crash(key: str) -> EmitResult:
        kept.append((key, state_in(tmp_path)["untold"]))
        raise OSError("the end")

    async def crashing() -> None:
        listener = Listener(tmp_path, Clock())
        listener.answer = crash
        source = scripted()
        async with listener.watching(source) as task:
            play = ThresholdRun(source, listener)
            await play.ready()
            source.world.value = 95
            await listener.timer.advance(EVERY)
            await asyncio.wait({task}, timeout=PATIENCE)
            assert isinstance(task.exception(), OSError)

    async def nothing(play: ThresholdRun) -> None:
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
    async def scene(play: ThresholdRun) -> None:
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

    async def scene(play: ThresholdRun) -> None:
        await play.shows(*range(20))
        assert len(written) == 1
        await play.shows(95)
        assert len(written) == 3
        await play.shows(*[95] * 20)
        assert len(written) == 3

    playing(tmp_path, scripted(), scene)
    assert len(written) == 3


def test_of_the_clock_of_for_a_kill_forgets_ten_seconds_at_most(tmp_path: Path) -> None:
    async def scene(play: ThresholdRun) -> None:
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

    async def scene(play: ThresholdRun) -> None:
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
