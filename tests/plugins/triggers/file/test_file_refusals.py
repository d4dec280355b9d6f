"""What the guard against too many runs refuses is kept and offered again."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support import file_watching
from tests.support.file_watching import EmitResult, advance, event_of, play, trigger

from rae_auto.api import EmitResult as Verdict
from rae_auto.model.reasons import Reason
from rae_auto.testing.sources import VirtualTimer

# Fixtures.
top = file_watching.top


def held_back(log: list[str]) -> list[str]:
    """What the log says of refusals."""
    return [line for line in log if "held back and offered again" in line]


class Refusing:
    """The engine's guard against too many runs: answers `rate` as often as it is told to."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.keys: list[str] = []

    def __call__(self, key: str) -> Verdict:
        self.keys.append(key)
        if self.left > 0:
            self.left -= 1
            return Verdict(reason=RATE)
        return Verdict()


RATE: Any = getattr(Reason, "RATE", "rate")


@pytest.mark.parametrize("batch", ["all", "each"])
def test_what_was_refused_is_offered_again_after_a_growing_pause_by_another_key(
    top: Path, tmp_path: Path, batch: str, log: list[str]
) -> None:
    timer = VirtualTimer()

    async def scene(told: EmitResult) -> None:
        refusing = Refusing(times=3)
        told.answer = refusing
        async with told.at_work(trigger(top, batch=batch)):
            (top / "a").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 1)
            for refusals, pause in enumerate((60, 120, 240), start=1):
                # Only then does the pause begin; the clock stands still meanwhile.
                await told.until(lambda: len(held_back(log)) == refusals)  # noqa: B023
                offers = len(refusing.keys)
                await timer.advance(pause - 10, step=timedelta(seconds=5))
                await asyncio.sleep(0.1)
                assert len(refusing.keys) == offers
                await timer.advance(9, step=timedelta(seconds=1))
                await advance(timer, lambda: len(refusing.keys) > offers)  # noqa: B023
            assert len(set(refusing.keys)) == 4
            (top / "b").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 5)

    told = play(tmp_path, scene, timer)
    assert {change["path"] for change in event_of(told.occurrences[-2])["changes"]} == {str(top / "a")}
    assert {change["path"] for change in event_of(told.occurrences[-1])["changes"]} == {str(top / "b")}
    assert [line.partition("offered again in ")[2].partition(" s,")[0] for line in held_back(log)] == [
        "60",
        "120",
        "240",
    ]


@pytest.mark.parametrize(("from_elsewhere", "pauses"), [(False, ["60", "120"]), (True, ["60", "60"])])
def test_the_pause_grows_where_what_was_offered_again_leads_to_too_many_runs_once_more(
    top: Path, tmp_path: Path, log: list[str], from_elsewhere: bool, pauses: list[str]
) -> None:
    timer = VirtualTimer()

    async def scene(told: EmitResult) -> None:
        keys: list[str] = []
        refused = {1, 4}

        def answer(key: str) -> Verdict:
            keys.append(key)
            return Verdict(reason=RATE) if len(keys) in refused else Verdict()

        told.answer = answer
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await advance(timer, lambda: len(keys) == 1)
            await told.until(lambda: len(held_back(log)) == 1)
            if from_elsewhere:
                (top / "b").write_text("x")
            await advance(timer, lambda: len(keys) == 2)
            for number in (3, 4):
                (top / "a").write_text("x" * number)
                await advance(timer, lambda: len(keys) == number)  # noqa: B023
            await told.until(lambda: len(held_back(log)) == 2)

    play(tmp_path, scene, timer)
    assert [line.partition("offered again in ")[2].partition(" s,")[0] for line in held_back(log)] == pauses


def test_what_was_refused_is_carried_into_the_next_occurrence(top: Path, tmp_path: Path) -> None:
    timer = VirtualTimer()

    async def scene(told: EmitResult) -> None:
        (top / "old").write_text("x")
        refusing = Refusing(times=1)
        told.answer = refusing
        async with told.at_work(trigger(top)):
            (top / "old").rename(top / "moved")
            (top / "a").write_text("x")
            (top / "short").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 1)
            (top / "a").write_text("xy")
            (top / "short").unlink()
            (top / "b").write_text("x")
            await advance(timer, lambda: len(refusing.keys) == 2)

    told = play(tmp_path, scene, timer)
    carried = event_of(told.occurrences[-1])["changes"]
    found = {(change["change"], os.path.basename(change["path"]), change["size"]) for change in carried}
    assert found == {("created", "a", 2), ("created", "b", 1), ("moved", "moved", 1)}


def test_what_was_refused_survives_a_restart_and_has_another_key_then(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        refusing = Refusing(times=1)
        told.answer = refusing
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await told.until(lambda: len(refusing.keys) == 1)
            # The refusal must be durable: the key depends on it.
            await asyncio.sleep(0.2)
        async with told.at_work(trigger(top)):
            await told.until(lambda: len(refusing.keys) == 2)
        assert len(set(refusing.keys)) == 2

    play(tmp_path, scene)
