"""Changes that the engine refuses as feedback stay pending and are offered again."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, advance, event_of, run_scene, trigger

from rae_auto.api import EmitResult
from rae_auto.model.reasons import FeedbackLoop
from rae_auto.testing.sources import VirtualTimer

# Fixtures.
top = file_watching.top


def held_back(log: list[str]) -> list[str]:
    """Return the log lines about refusals."""
    return [line for line in log if "held back and offered again" in line]


class Refusing:
    """A stand-in for the engine's loop detection that refuses a given number of times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.keys: list[str] = []

    def __call__(self, key: str) -> EmitResult:
        self.keys.append(key)
        if self.left > 0:
            self.left -= 1
            return EmitResult(reason=RATE)
        return EmitResult()


RATE = FeedbackLoop(20, timedelta(minutes=1))


@pytest.mark.parametrize("batch", ["all", "each"])
def test_refused_changes_are_offered_after_growing_delays(
    top: Path, tmp_path: Path, batch: str, log: list[str]
) -> None:
    timer = VirtualTimer()

    async def scene(listener: FileListener) -> None:
        refusing = Refusing(times=3)
        listener.answer = refusing
        async with listener.running(trigger(top, batch=batch)):
            (top / "a").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 1)
            for refusals, pause in enumerate((60, 120, 240), start=1):
                # Only then does the pause begin; the clock stands still meanwhile.
                await listener.wait_until(lambda: len(held_back(log)) == refusals)  # noqa: B023
                offers = len(refusing.keys)
                await timer.advance(pause - 10, step=timedelta(seconds=5))
                await asyncio.sleep(0.1)
                assert len(refusing.keys) == offers
                await timer.advance(9, step=timedelta(seconds=1))
                await advance(timer, lambda: len(refusing.keys) > offers)  # noqa: B023
            assert len(set(refusing.keys)) == 4
            (top / "b").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 5)

    listener = run_scene(tmp_path, scene, timer)
    assert {change["path"] for change in event_of(listener.occurrences[-2])["changes"]} == {str(top / "a")}
    assert {change["path"] for change in event_of(listener.occurrences[-1])["changes"]} == {str(top / "b")}
    assert [line.partition("offered again in ")[2].partition(" s,")[0] for line in held_back(log)] == [
        "60",
        "120",
        "240",
    ]


@pytest.mark.parametrize(("from_elsewhere", "pauses"), [(False, ["60", "120"]), (True, ["60", "60"])])
def test_retry_delay_grows_if_the_retry_is_refused_again(
    top: Path, tmp_path: Path, log: list[str], from_elsewhere: bool, pauses: list[str]
) -> None:
    timer = VirtualTimer()

    async def scene(listener: FileListener) -> None:
        keys: list[str] = []
        refused = {1, 4}

        def answer(key: str) -> EmitResult:
            keys.append(key)
            return EmitResult(reason=RATE) if len(keys) in refused else EmitResult()

        listener.answer = answer
        async with listener.running(trigger(top)):
            (top / "a").write_text("x")
            await advance(timer, lambda: len(keys) == 1)
            await listener.wait_until(lambda: len(held_back(log)) == 1)
            if from_elsewhere:
                (top / "b").write_text("x")
            await advance(timer, lambda: len(keys) == 2)
            for number in (3, 4):
                (top / "a").write_text("x" * number)
                await advance(timer, lambda: len(keys) == number)  # noqa: B023
            await listener.wait_until(lambda: len(held_back(log)) == 2)

    run_scene(tmp_path, scene, timer)
    assert [line.partition("offered again in ")[2].partition(" s,")[0] for line in held_back(log)] == pauses


def test_refused_changes_join_the_next_event(top: Path, tmp_path: Path) -> None:
    timer = VirtualTimer()

    async def scene(listener: FileListener) -> None:
        (top / "old").write_text("x")
        refusing = Refusing(times=1)
        listener.answer = refusing
        async with listener.running(trigger(top)):
            (top / "old").rename(top / "moved")
            (top / "a").write_text("x")
            (top / "short").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 1)
            (top / "a").write_text("xy")
            (top / "short").unlink()
            (top / "b").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 2)

    listener = run_scene(tmp_path, scene, timer)
    carried = event_of(listener.occurrences[-1])["changes"]
    found = {(change["change"], os.path.basename(change["path"]), change["size"]) for change in carried}
    assert found == {("created", "a", 2), ("created", "b", 1), ("moved", "moved", 1)}


def test_refused_changes_survive_a_restart_with_a_new_key(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        refusing = Refusing(times=1)
        listener.answer = refusing
        async with listener.running(trigger(top)):
            (top / "a").write_text("x")
            await listener.wait_until(lambda: len(refusing.keys) == 1)
            # The refusal must be durable: the key depends on it.
            await asyncio.sleep(0.2)
        async with listener.running(trigger(top)):
            await listener.wait_until(lambda: len(refusing.keys) == 2)
        assert len(set(refusing.keys)) == 2

    run_scene(tmp_path, scene)
