"""A pattern in real time: nothing that is recorded is lost or counted twice, whatever goes wrong on the way."""

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from tests.support.patterns import (
    SECOND,
    Every,
    Minutes,
    Repeating,
    Silence,
    ends_with,
    has_document,
    idle,
    noting,
    play,
    read_document,
    refuse,
    state_of,
    ticks,
)
from tests.support.waiting import until

from rae_auto.api.trigger import EmitResult
from rae_auto.model.primitives.instants import format_instant
from rae_auto.testing.sources import START, Listener
from rae_auto.toolkit.state_file import StateFile

# Restarts


def test_a_restart_goes_on_in_the_middle(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Every()):
            await until(lambda: has_document(tmp_path))
            await ticks(listener, tmp_path, 2)
        async with listener.watching(Every()):
            await idle()
            await ticks(listener, tmp_path, 1)
            (emitted,) = await listener.wait_for(1)
        assert emitted.event == {"ids": ["event-0", "event-1", "event-2"]}

    play(scene, tmp_path)


def test_events_recorded_during_a_gap_are_delivered_after_it(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(1)):
            await until(lambda: has_document(tmp_path))
        await listener.timer.advance(10)
        await listener.events.record("tick")
        await listener.events.record("other")
        await listener.timer.advance(10)
        async with listener.watching(Every(1)):
            (emitted,) = await listener.wait_for(1)
            await until(lambda: read_document(tmp_path)["ids"])
        assert (emitted.key, emitted.at) == ("event-0", START + 10 * SECOND)
        assert state_of(tmp_path)["gaps"] == [["down", format_instant(START), format_instant(START + 20 * SECOND)]]

    play(scene, tmp_path)


def test_pattern_with_other_options_starts_with_a_new_state(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(3)):
            await until(lambda: has_document(tmp_path))
            await ticks(listener, tmp_path, 2)
        await listener.timer.advance(1)
        async with listener.watching(Every(2)):
            await until(lambda: not state_of(tmp_path)["ids"])
            await ticks(listener, tmp_path, 1)
        assert state_of(tmp_path)["ids"] == ["event-2"]
        assert listener.occurrences == []

    play(scene, tmp_path)


def test_slow_first_start_misses_nothing(tmp_path):
    async def scene(listener: Listener) -> None:
        asked = listener.timer.now().wall
        await listener.timer.advance(90)
        await listener.events.record("tick")
        for pattern, emitted in (
            (Every(1), ["event-0"]),
            (Every(1, {"time": Minutes()}), [format_instant(asked + 60 * SECOND)]),
        ):
            watch = evolve(listener.watch(), since=asked)
            listener.occurrences.clear()
            task = asyncio.ensure_future(pattern.watch(watch))
            assert [one.key for one in await listener.wait_for(1)] == emitted
            task.cancel()
            await asyncio.wait({task})

    play(scene, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [b"{", b"[]", json.dumps({"pattern": repr(Every(1)), "state": {}}).encode()],
    ids=["no JSON", "no object", "half of it"],
)
def test_damaged_state_is_replaced_by_a_new_one(tmp_path, damage):
    (tmp_path / "pattern.json").write_bytes(damage)

    async def scene(listener: Listener) -> None:
        async with listener.watching(Every(1)):
            await until(lambda: "ids" in read_document(tmp_path))
            await listener.events.record("tick")
            await listener.wait_for(1)

    play(scene, tmp_path)


# What goes wrong on the way


def test_failed_emit_is_raised_and_repeated_after_the_restart(tmp_path):
    async def scene(listener: Listener) -> None:
        good, listener.answer = listener.answer, refuse
        async with listener.watching(Every(2)) as task:
            await until(lambda: has_document(tmp_path))
            await ticks(listener, tmp_path, 1)
            await listener.events.record("tick")
            await ends_with(task, OSError)
        assert state_of(tmp_path)["ids"] == ["event-0"], "as if the last event had not come"
        listener.answer = good
        async with listener.watching(Every(2)):
            (emitted,) = await listener.wait_for(1)
        assert emitted.key == "event-0+event-1"

    play(scene, tmp_path)


def test_crash_between_emit_and_save_repeats_the_same_key(tmp_path, monkeypatch):
    write = StateFile.write

    def fail(self: StateFile, document: Mapping[str, Any]) -> None:
        if not document["state"]["ids"] and document["ids"]:
            raise OSError("killed")
        write(self, document)

    async def scene(listener: Listener) -> None:
        emitted = noting(listener)
        monkeypatch.setattr(StateFile, "write", fail)
        async with listener.watching(Every(2)) as task:
            await until(lambda: has_document(tmp_path))
            await ticks(listener, tmp_path, 1)
            await listener.events.record("tick")
            await ends_with(task, OSError)
        monkeypatch.setattr(StateFile, "write", write)
        async with listener.watching(Every(2)):
            await until(lambda: len(emitted) == 2)
            await ticks(listener, tmp_path, 2)
            await listener.wait_for(2)
        assert emitted == ["event-0+event-1", "event-0+event-1", "event-2+event-3"]

    play(scene, tmp_path)


def test_cancelled_emit_is_repeated_after_the_restart(tmp_path):
    async def scene(listener: Listener) -> None:
        asked = asyncio.Event()

        async def hang(key: str, event: Any = None, at: Any = None) -> EmitResult:
            asked.set()
            await asyncio.Event().wait()
            return EmitResult()

        emit, listener.emit = listener.emit, hang  # type: ignore[method-assign]
        async with listener.watching(Every(1)):
            await until(lambda: has_document(tmp_path))
            await listener.events.record("tick")
            await asked.wait()
        listener.emit = emit  # type: ignore[method-assign]
        async with listener.watching(Every(1)):
            await listener.wait_for(1)

    play(scene, tmp_path)


def test_a_write_is_over_before_the_next_begins_also_when_it_is_cancelled(tmp_path, monkeypatch):
    """Two at once would share a temporary file."""
    write, may_go, blocked, writing = StateFile.write, threading.Event(), threading.Event(), threading.Lock()

    def slow(self: StateFile, document: Mapping[str, Any]) -> None:
        assert writing.acquire(blocking=False), "two writes at once"
        with_ids = bool(document["ids"])
        if with_ids:
            blocked.set()
            assert may_go.wait(30)
        write(self, document)
        writing.release()

    async def scene(listener: Listener) -> None:
        monkeypatch.setattr(StateFile, "write", slow)
        async with listener.watching(Every()) as task:
            await until(lambda: has_document(tmp_path))
            await listener.events.record("tick")
            await until(blocked.is_set)
            task.cancel()
            await idle()
            may_go.set()
        assert task.cancelled()
        # The one or the other is right: what was kept is not read again, what was not is.
        assert (read_document(tmp_path)["ids"] == ["event-0"]) == (
            read_document(tmp_path)["state"]["ids"] == ["event-0"]
        )

    play(scene, tmp_path)


def test_a_state_that_can_not_be_written_at_the_end_is_no_error_of_its_own(tmp_path, monkeypatch):
    def fail(self: StateFile, document: Mapping[str, Any]) -> None:
        raise OSError("read-only")

    async def scene(listener: Listener) -> None:
        async with listener.watching(Every()) as task:
            await until(lambda: has_document(tmp_path))
            monkeypatch.setattr(StateFile, "write", fail)
        assert task.cancelled()

    play(scene, tmp_path)


def test_cancellation_leaves_no_tasks(tmp_path):
    async def scene(listener: Listener) -> None:
        before = asyncio.all_tasks()
        parts = {"a": Minutes(), "b": Silence(), "c": Repeating(["x"])}
        for pattern in (Every(3, parts), Silence()):
            async with listener.watching(pattern) as task:
                await until(lambda: has_document(tmp_path))
                await idle()
            assert task.cancelled()
            assert asyncio.all_tasks() == before

    play(scene, tmp_path)
