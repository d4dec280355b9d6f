"""Nothing is lost where the kernel drops events, has no watches left, or can not be read from."""

import importlib
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support import file_watching
from tests.support.file_watching import EmitResult, advance, event_of, play, trigger, twice, written
from tests.support.machine import alone, in_namespaces

from rae_auto.testing.sources import VirtualTimer
from rae_plugins.triggers.file import observers, pending, watcher

# Fixtures.
top = file_watching.top


def limit(name: str, value: int) -> None:
    """In a user namespace of its own, only so many of something may be had, by nobody but the test."""
    path = Path("/proc/sys/user") / name
    try:
        path.write_text(str(value))
    except OSError as error:
        pytest.skip(f"{path} can't be written here: {error}")


@pytest.fixture
def short_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's queues of file events hold sixteen.

    There is one limit for the whole machine, and a queue keeps the one that it was made with: so it is only then that
    the limit is lower.
    """
    path = Path("/proc/sys/fs/inotify/max_queued_events")

    def make_short() -> int:
        with alone("inotify"):
            before = path.read_text()
            path.write_text("16")
            try:
                return int(make())
            finally:
                path.write_text(before)

    if not os.access(path, os.W_OK):
        pytest.skip(f"{path} can't be written here")
    inotify_c = importlib.import_module("watchdog.observers.inotify_c")
    make = inotify_c.inotify_init
    monkeypatch.setattr(inotify_c, "inotify_init", make_short)


@pytest.mark.parametrize("per_directory", [0, 10], ids=["one directory", "nested new directories"])
def test_of_many_files_by_four_writers_none_is_lost_or_told_twice(
    top: Path, tmp_path: Path, per_directory: int
) -> None:
    """Forty thousand are in tests/benchmarks/file_events.py."""

    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top, recursive=True)):
            files = await written(top, 8000, per_directory=per_directory)
            await told.until(lambda: len(told.changes) >= 8000)
            assert {change["path"] for change in told.changes} == files

    assert twice(play(tmp_path, scene)) == []


@pytest.mark.usefixtures("short_queue")
def test_an_overflow_of_the_kernels_queue_loses_nothing(top: Path, tmp_path: Path, log: list[str]) -> None:
    """With more directories than the queue holds, watchdog's making its watches anew overflows it again, for ever."""

    async def scene(told: EmitResult) -> None:
        for number in range(100):
            (top / f"{number}").mkdir()
        async with told.at_work(trigger(top, recursive=True, max_wait="1h")):
            files = await written(top, 1000, per_directory=20)
            await told.until(lambda: len(told.changes) >= 1000)
            assert {change["path"] for change in told.changes} == files
            (top / "7" / "later").write_text("x")
            await told.until_told(top / "7" / "later")

    assert twice(play(tmp_path, scene)) == []
    assert [line for line in log if "queue of file events overflowed; everything is looked at" in line]


@in_namespaces("user")
def test_where_watches_run_out_it_polls_and_loses_nothing(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "PATIENCE_WITH_KERNEL", 0.5)

    async def scene(told: EmitResult) -> None:
        for number in range(300):
            (top / f"{number}").mkdir()
        limit("max_inotify_watches", 100)
        async with told.at_work(trigger(top, recursive=True)):
            files = await written(top, 400, per_directory=5)
            for number in range(300):
                (top / f"{number}" / "a").write_text("x")
                files.add(str(top / f"{number}" / "a"))
            await told.until(lambda: len(told.changes) >= len(files))
            assert {change["path"] for change in told.changes} == files
            (top / "299" / "later").write_text("x")
            await told.until_told(top / "299" / "later")

    assert twice(play(tmp_path, scene)) == []
    assert [line for line in log if "no watches left" in line and "looks every 0.1 s instead" in line]


@in_namespaces("user")
def test_where_there_is_no_watch_at_all_it_polls(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(told: EmitResult) -> None:
        limit("max_inotify_instances", 0)
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await told.until_told(top / "a")

    assert play(tmp_path, scene).said == ["created a"]
    assert [line for line in log if "can't watch" in line]


def test_after_a_while_it_tries_to_watch_again(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = VirtualTimer()
    tries: list[bool] = []
    begin = watcher.watch

    def fail_at_first(posts: Any, *given: Any) -> Any:
        tries.append(any(post.is_polled for post in posts))
        if len(tries) == 1:
            raise OSError(28, "inotify watch limit reached")
        return begin(posts, *given)

    monkeypatch.setattr(watcher, "watch", fail_at_first)

    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await advance(timer, lambda: bool(told.occurrences))
            await timer.advance(watcher.RECOVERY, step=timedelta(seconds=20))
            await advance(timer, lambda: len(tries) == 3)
            (top / "b").write_text("x")
            await advance(timer, lambda: len(told.occurrences) == 2)

    assert play(tmp_path, scene, timer).said == ["created a", "created b"]
    assert tries == [False, True, False]
    assert [line for line in log if "can't watch (inotify watch limit reached); looks every 0.1 s instead" in line]


def test_what_another_observer_says_in_its_log_is_no_overflow(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top)):
            logging.getLogger("watchdog.observers.polling").warning("a share is slow")
            (top / "a").write_text("x")
            await told.until_told(top / "a")

    assert play(tmp_path, scene).said == ["created a"]
    assert not [line for line in log if "everything is looked at" in line]


def test_more_places_than_can_be_remembered_are_everything(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MOST", 10)

    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top, quiet="300ms")):
            for number in range(30):
                (top / f"{number:02}").write_text("x")
            await told.wait_for(1)

    (occurrence, *_) = play(tmp_path, scene).occurrences
    assert event_of(occurrence)["count"] == 30
    assert event_of(occurrence)["origin"] == "rescan"


def test_what_can_not_be_read_for_a_while_is_looked_at_again(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that doesn't answer for a moment says nothing when it does."""
    timer = VirtualTimer()
    status = os.stat

    def fail(path: Any, **options: Any) -> os.stat_result:
        if str(path) == str(top / "a"):
            raise OSError(116, "Stale file handle")
        return status(path, **options)

    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top)):
            with monkeypatch.context() as patched:
                patched.setattr("rae_plugins.triggers.file.diff.os.stat", fail)
                (top / "a").write_text("x")
                (top / "b").write_text("x")
                await advance(timer, lambda: bool(told.occurrences))
            assert told.said == ["created b"]
            await advance(timer, lambda: len(told.occurrences) == 2)

    assert play(tmp_path, scene, timer).said == ["created b", "created a"]


def test_a_thread_that_has_died_is_replaced(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = VirtualTimer()

    async def scene(told: EmitResult) -> None:
        made = []
        begin = watcher.watch
        monkeypatch.setattr(watcher, "watch", lambda *given: made.append(begin(*given)) or made[-1])
        async with told.at_work(trigger(top)):
            made[0].observers[0].stop()
            made[0].observers[0].join()
            (top / "a").write_text("x")
            await timer.advance(watcher.SUPERVISION)
            await advance(timer, lambda: bool(told.occurrences))
            (top / "b").write_text("x")
            await advance(timer, lambda: len(told.occurrences) == 2)
        assert len(made) == 2

    assert play(tmp_path, scene, timer).said == ["created a", "created b"]


def test_a_handler_that_fails_ends_no_thread(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(observers.Handler, "_note", fail)

    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top)):
            for number in range(3):
                (top / f"{number}").write_text("x")
                await told.until_told(top / f"{number}")

    assert play(tmp_path, scene).said == ["created 0", "created 1", "created 2"]


def test_what_can_not_be_read_is_left_as_it_was(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root reads everything, so reading is made to fail."""
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path) == str(top / "locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    async def scene(told: EmitResult) -> None:
        (top / "locked" / "below").mkdir(parents=True)
        (top / "locked" / "below" / "file").write_text("x")
        async with told.at_work(trigger(top, recursive=True)):
            pass
        with monkeypatch.context() as patched:
            patched.setattr("rae_plugins.triggers.file.diff.os.scandir", refuse)
            async with told.at_work(trigger(top, recursive=True)):
                (top / "a").write_text("x")
                await told.until_told(top / "a")
        async with told.at_work(trigger(top, recursive=True)):
            (top / "b").write_text("x")
            await told.until_told(top / "b")

    assert play(tmp_path, scene).said == ["created a", "created b"]
    assert [line for line in log if "locked can't be read (Permission denied); it is left as it was" in line]
