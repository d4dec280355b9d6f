"""Triggers inside of a pattern: what they tell counts once, and schedules tell what they missed."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen
from tests.support.patterns import (
    Every,
    Minutes,
    Repeating,
    ends_with,
    idle,
    noting,
    play,
    read_document,
    refuse,
    state_of,
)
from tests.support.waiting import until

from rae_auto.api import Event, StepResult, TriggerContext
from rae_auto.api.pattern import State
from rae_auto.api.trigger import EmitResult
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import RunId
from rae_auto.runtime import pattern_runner as pattern_watch_module
from rae_auto.testing.sources import START, Listener
from rae_auto.toolkit.state_file import StateFile

# Parts


def test_part_occurrence_has_its_name_and_counts_once(tmp_path):
    pattern = Every(2, {"first": Repeating(["a", "a", "b"]), "second": Repeating(["a"])})

    async def scene(listener: Listener) -> None:
        for _ in range(3):
            async with listener.watching(pattern):
                await until(lambda: sum(map(len, read_document(tmp_path)["seen"].values())) == 3)
                await idle()
        assert len(listener.occurrences) == 1, "three things happened: a of the first, b of the first, a of the second"

    play(scene, tmp_path)


def test_a_part_works_in_a_directory_of_its_own(tmp_path):
    seen = []

    @frozen
    class Seeing(Every):
        def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
            assert event is not None
            seen.append((event.name, event.id, event.at, event.data))
            return StepResult(state)

    async def scene(listener: Listener) -> None:
        async with listener.watching(Seeing(1, {"one": Repeating(["k"])})):
            await until(lambda: seen)

    play(scene, tmp_path)
    assert seen == [("one", "k", START, {"directory": "one", "trigger": "trigger.one"})]


def test_part_gets_the_result_of_what_it_emitted(tmp_path):
    emitted = []

    @frozen
    class Asking(Repeating):
        async def watch(self, context: TriggerContext) -> None:
            emitted.extend([await context.emit("x"), await context.emit("y"), await context.emit("y")])

    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(2, {"part": Asking()})):
            await until(lambda: len(emitted) == 3)

    play(scene, tmp_path)
    assert emitted == [EmitResult(), EmitResult(RunId("run-x+y")), EmitResult()]


def test_part_occurrence_that_failed_counts_when_repeated(tmp_path):
    async def scene(listener: Listener) -> None:
        good, listener.answer = listener.answer, refuse
        pattern = Every(1, {"part": Repeating(["a"])})
        async with listener.watching(pattern) as task:
            await ends_with(task, OSError)
        listener.answer = good
        async with listener.watching(pattern):
            await listener.wait_for(1)

    play(scene, tmp_path)


def test_a_part_that_passes_over_an_error_leaves_no_trace_of_it(tmp_path):
    @frozen
    class Careless(Repeating):
        async def watch(self, context: TriggerContext) -> None:
            try:
                await context.emit("a")
            except OSError:
                await context.emit("a")
            await asyncio.Event().wait()

    async def scene(listener: Listener) -> None:
        answers = [refuse, listener.answer]
        listener.answer = lambda key: answers.pop(0)(key)
        async with listener.watching(Every(1, {"part": Careless()})):
            await listener.wait_for(1)

    play(scene, tmp_path)


def test_firing_is_repeated_unchanged_when_parts_repeat_reordered(tmp_path, monkeypatch):
    """Else what was told before a crash would be told after it in another company, and so twice."""
    write = StateFile.write

    def fail(self: StateFile, document: Mapping[str, Any]) -> None:
        if document["seen"] and not document["unsent"] and not document["state"]["ids"]:
            raise OSError("killed")
        write(self, document)

    def pattern(*keys: str) -> Every:
        return Every(2, {"part": Quiet(list(keys))})

    @frozen
    class Quiet(Repeating):
        def __repr__(self) -> str:
            return "the same"

    async def scene(listener: Listener) -> None:
        emitted = noting(listener)
        monkeypatch.setattr(StateFile, "write", fail)
        async with listener.watching(pattern("a", "b", "c")) as task:
            await ends_with(task, OSError)
        monkeypatch.setattr(StateFile, "write", write)
        async with listener.watching(pattern("c", "b", "a", "d")):
            await listener.wait_for(2)
            await idle()
        assert emitted == ["a+b", "a+b", "c+d"]

    play(scene, tmp_path)


def test_a_part_that_fails_fails_the_whole(tmp_path):
    @frozen
    class Failing(Repeating):
        async def watch(self, context: TriggerContext) -> None:
            raise LookupError("gone")

    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(1, {"good": Repeating(["a"]), "bad": Failing()})) as task:
            await ends_with(task, LookupError)

    play(scene, tmp_path)


def test_of_each_part_so_many_keys_are_remembered_as_it_may_repeat(tmp_path, monkeypatch):
    monkeypatch.setattr(pattern_watch_module, "MAX_REMEMBERED_IDS", 5)

    async def scene(listener: Listener) -> None:
        keys = [f"k{number}" for number in range(20)]
        async with listener.watching(Every(100, {"part": Repeating(keys)})):
            await until(lambda: len(state_of(tmp_path)["ids"]) == 20)
        assert read_document(tmp_path)["seen"] == {"part": keys[-5:]}

    play(scene, tmp_path)


# Schedules as parts


def test_schedule_emits_each_instant_from_its_first_start_on(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(1, {"time": Minutes()})):
            await until(lambda: (tmp_path / "time" / "schedule.json").exists())
            await idle()
            for _ in range(2):
                count = len(listener.occurrences)
                await listener.timer.advance(60)
                await listener.wait_for(count + 1)
        assert [emitted.at for emitted in listener.occurrences] == [START + timedelta(minutes=n) for n in (1, 2)]
        assert listener.occurrences[0].key == format_instant(START + timedelta(minutes=1))

    play(scene, tmp_path)


def test_schedule_part_emits_latest_missed_instants_on_restart(tmp_path):
    async def scene(listener: Listener) -> None:
        pattern = Every(1, {"time": Minutes()})
        async with listener.watching(pattern):
            await until(lambda: (tmp_path / "time" / "schedule.json").exists())
        await listener.timer.advance(timedelta(days=365), step=timedelta(days=365))
        async with listener.watching(pattern):
            emitted = await listener.wait_for(100)
            await idle()
        assert len(listener.occurrences) == 100
        assert emitted[-1].at == START + timedelta(days=365)
        assert emitted[0].at == START + timedelta(days=365) - timedelta(minutes=99)

    play(scene, tmp_path)


def test_another_schedule_under_the_same_name_begins_now(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(1, {"time": Minutes()})):
            await until(lambda: (tmp_path / "time" / "schedule.json").exists())
        await listener.timer.advance(600)
        async with listener.watching(Every(1, {"time": Minutes(2)})):
            await until(lambda: "step=2" in (tmp_path / "time" / "schedule.json").read_text())
            await idle()
        assert listener.occurrences == []

    play(scene, tmp_path)


def test_a_schedule_that_goes_round_on_the_spot_is_an_error(tmp_path):
    @frozen
    class Spot(Minutes):
        def next_after(self, instant: datetime) -> datetime | None:
            return instant

    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(1, {"time": Spot()})) as task:
            await ends_with(task, ValueError)

    play(scene, tmp_path)


def test_a_schedule_that_has_ended_is_no_error(tmp_path):
    @frozen
    class Over(Minutes):
        def next_after(self, instant: datetime) -> datetime | None:
            return None

    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(1, {"time": Over(), "other": Repeating(["a"])})) as task:
            await listener.wait_for(1)
            await idle()
            assert not task.done()

    play(scene, tmp_path)


def test_what_parts_are_followed_is_what_the_whole_follows():
    @frozen
    class Following(Every):
        names: tuple[str, ...] = ()

        def upstream_jobs(self) -> tuple[str, ...]:
            return self.names

    parts = {"a": Following(1, {}, ("x", "y")), "b": Minutes(), "c": Every(1, {"d": Following(1, {}, ("y", "z"))})}
    assert Every(1, parts).upstream_jobs() == ("x", "y", "z")
