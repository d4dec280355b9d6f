"""No change is lost if the kernel drops events, has no watches left, or cannot read a file."""

import asyncio
import importlib
import logging
import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, advance, event_of, find_repeated, run_scene, trigger, write_files
from tests.support.machine import alone, in_namespaces

from rae_auto.registry.quarantine import is_environmental
from rae_auto.testing.sources import VirtualTimer
from rae_plugins.triggers.file import observers, pending, watcher
from rae_plugins.triggers.file.snapshot import Snapshot

pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

# Fixtures.
top = file_watching.top


def limit(name: str, value: int) -> None:
    """Limit a kernel resource for this test alone, in a user namespace of its own."""
    path = Path("/proc/sys/user") / name
    try:
        path.write_text(str(value))
    except OSError as error:
        pytest.skip(f"{path} can't be written here: {error}")


@pytest.fixture
def short_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the kernel's queues of file events hold sixteen events.

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
def test_four_writers_lose_and_repeat_no_file(top: Path, tmp_path: Path, per_directory: int) -> None:
    """The benchmark in tests/benchmarks/file_events.py writes forty thousand."""

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, recursive=True)):
            files = await write_files(top, 8000, per_directory=per_directory)
            await listener.wait_until(lambda: len(listener.changes) >= 8000)
            assert {change["path"] for change in listener.changes} == files

    assert find_repeated(run_scene(tmp_path, scene)) == []


@pytest.mark.requirement("R36")
@pytest.mark.usefixtures("short_queue")
def test_kernel_queue_overflow_loses_no_change(top: Path, tmp_path: Path, log: list[str]) -> None:
    """With more directories than the queue holds, new watches overflow it again, for ever."""

    async def scene(listener: FileListener) -> None:
        for number in range(100):
            (top / f"{number}").mkdir()
        async with listener.running(trigger(top, recursive=True, max_wait="1h")):
            files = await write_files(top, 1000, per_directory=20)
            await listener.wait_until(lambda: len(listener.changes) >= 1000)
            assert {change["path"] for change in listener.changes} == files
            (top / "7" / "later").write_text("x")
            await listener.wait_for_changes(top / "7" / "later")

    assert find_repeated(run_scene(tmp_path, scene)) == []
    assert [line for line in log if "queue of file events overflowed; everything is scanned" in line]


@pytest.mark.requirement("R36")
@in_namespaces("user")
def test_watcher_polls_without_loss_when_watches_run_out(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "WATCH_SETUP_SECONDS", 0.5)

    async def scene(listener: FileListener) -> None:
        for number in range(300):
            (top / f"{number}").mkdir()
        limit("max_inotify_watches", 100)
        async with listener.running(trigger(top, recursive=True)):
            files = await write_files(top, 400, per_directory=5)
            for number in range(300):
                (top / f"{number}" / "a").write_text("x")
                files.add(str(top / f"{number}" / "a"))
            await listener.wait_until(lambda: len(listener.changes) >= len(files))
            assert {change["path"] for change in listener.changes} == files
            (top / "299" / "later").write_text("x")
            await listener.wait_for_changes(top / "299" / "later")

    assert find_repeated(run_scene(tmp_path, scene)) == []
    assert [line for line in log if "no watches left" in line and "polling every 0.1 s instead" in line]


@pytest.mark.parametrize("paths", [".", "**/*.txt", "*/b/*"])
@pytest.mark.parametrize("polling", ["auto", "never"])
def test_new_files_are_not_taken_for_unwatched_folders(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch, paths: str, polling: str
) -> None:
    monkeypatch.setattr(watcher, "WATCH_SETUP_SECONDS", 0.1)

    async def scene(listener: FileListener) -> None:
        (top / "a" / "b").mkdir(parents=True)
        async with listener.running(trigger(top / paths, recursive=True, polling=polling)):
            for number in range(5):
                (top / "a" / "b" / f"{number}.txt").write_text("x")
                await listener.wait_for_changes(top / "a" / "b" / f"{number}.txt")
                await asyncio.sleep(0.1)
        with closing(sqlite3.connect(listener.directory / "snapshot.sqlite")) as database:
            directories = {os.fsdecode(path) for (path,) in database.execute("SELECT path FROM directories")}
        assert [path for path in directories if path.endswith(".txt")] == []

    run_scene(tmp_path, scene)
    assert [line for line in log if "watch" in line] == []


@in_namespaces("user")
def test_watcher_never_polls_if_that_is_forbidden(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "WATCH_SETUP_SECONDS", 0.1)

    async def scene(listener: FileListener) -> None:
        for number in range(300):
            (top / f"{number}").mkdir()
        limit("max_inotify_watches", 100)
        async with listener.running(trigger(top, recursive=True, polling="never")):
            await listener.wait_until(lambda: any("are not seen" in line for line in log))

    run_scene(tmp_path, scene)
    assert [line for line in log if "polling every" in line] == []
    assert len([line for line in log if "not watched; raise fs.inotify.max_user_watches); changes there" in line]) == 1


def test_watching_ends_without_errors_of_libraries(top: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(listener: FileListener) -> None:
        for number in range(10):
            async with listener.running(trigger(top)):
                (top / f"{number}").write_text("x")

    run_scene(tmp_path, scene)
    logging.getLogger("watchdog.observers.inotify").error("queue_events() called when the thread is inactive")
    assert caplog.records == []


@in_namespaces("user")
def test_watcher_polls_when_inotify_is_unavailable(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(listener: FileListener) -> None:
        limit("max_inotify_instances", 0)
        async with listener.running(trigger(top)):
            (top / "a").write_text("x")
            await listener.wait_for_changes(top / "a")

    assert run_scene(tmp_path, scene).summaries == ["created a"]
    assert [line for line in log if "can't watch" in line]


def test_watcher_stops_polling_after_an_hour(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = VirtualTimer()
    tries: list[bool] = []
    begin = watcher.start_watching

    def fail_at_first(posts: Any, *given: Any) -> Any:
        tries.append(any(post.is_polled for post in posts))
        if len(tries) == 1:
            raise OSError(28, "inotify watch limit reached")
        return begin(posts, *given)

    monkeypatch.setattr(watcher, "start_watching", fail_at_first)

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            (top / "a").write_text("x")
            await advance(timer, lambda: bool(listener.occurrences))
            await timer.advance(watcher.POLLING_FALLBACK_SECONDS, step=timedelta(seconds=20))
            await advance(timer, lambda: len(tries) == 3)
            (top / "b").write_text("x")
            await advance(timer, lambda: len(listener.occurrences) == 2)

    assert run_scene(tmp_path, scene, timer).summaries == ["created a", "created b"]
    assert tries == [False, True, False]
    assert [line for line in log if "can't watch (inotify watch limit reached); polling every 0.1 s instead" in line]


def test_overflow_handler_ignores_other_warnings(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            logging.getLogger("watchdog.observers.polling").warning("a share is slow")
            (top / "a").write_text("x")
            await listener.wait_for_changes(top / "a")

    assert run_scene(tmp_path, scene).summaries == ["created a"]
    assert not [line for line in log if "everything is scanned" in line]


def test_pending_paths_above_the_limit_scan_everything(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MAX_PATHS", 10)

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, quiet="300ms")):
            for number in range(30):
                (top / f"{number:02}").write_text("x")
            await listener.wait_for(1)

    (occurrence, *_) = run_scene(tmp_path, scene).occurrences
    assert event_of(occurrence)["count"] == 30
    assert event_of(occurrence)["origin"] == "rescan"


def test_unreadable_file_is_scanned_again(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network share that does not answer for a moment sends no event when it does again."""
    timer = VirtualTimer()
    status = os.stat

    def fail(path: Any, **options: Any) -> os.stat_result:
        if str(path) == str(top / "a"):
            raise OSError(116, "Stale file handle")
        return status(path, **options)

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            with monkeypatch.context() as patched:
                patched.setattr("rae_plugins.triggers.file.diff.os.stat", fail)
                (top / "a").write_text("x")
                (top / "b").write_text("x")
                await advance(timer, lambda: bool(listener.occurrences))
            assert listener.summaries == ["created b"]
            await advance(timer, lambda: len(listener.occurrences) == 2)

    assert run_scene(tmp_path, scene, timer).summaries == ["created b", "created a"]


def test_watcher_replaces_a_dead_thread(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = VirtualTimer()

    async def scene(listener: FileListener) -> None:
        made = []
        begin = watcher.start_watching
        monkeypatch.setattr(watcher, "start_watching", lambda *given: made.append(begin(*given)) or made[-1])
        async with listener.running(trigger(top)):
            made[0].observers[0].stop()
            made[0].observers[0].join()
            (top / "a").write_text("x")
            await timer.advance(watcher.HEALTH_CHECK_INTERVAL)
            await advance(timer, lambda: bool(listener.occurrences))
            (top / "b").write_text("x")
            await advance(timer, lambda: len(listener.occurrences) == 2)
        assert len(made) == 2

    assert run_scene(tmp_path, scene, timer).summaries == ["created a", "created b"]


def test_failing_event_handler_ends_no_thread(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(observers.EventHandler, "_handle", fail)

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            for number in range(3):
                (top / f"{number}").write_text("x")
                await listener.wait_for_changes(top / f"{number}")

    assert run_scene(tmp_path, scene).summaries == ["created 0", "created 1", "created 2"]


def test_unreadable_directory_reports_no_deletion(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, who can read everything, so reading is patched to fail."""
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path) == str(top / "locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    async def scene(listener: FileListener) -> None:
        (top / "locked" / "below").mkdir(parents=True)
        (top / "locked" / "below" / "file").write_text("x")
        async with listener.running(trigger(top, recursive=True)):
            pass
        with monkeypatch.context() as patched:
            patched.setattr("rae_plugins.triggers.file.diff.os.scandir", refuse)
            async with listener.running(trigger(top, recursive=True)):
                (top / "a").write_text("x")
                await listener.wait_for_changes(top / "a")
        async with listener.running(trigger(top, recursive=True)):
            (top / "b").write_text("x")
            await listener.wait_for_changes(top / "b")

    assert run_scene(tmp_path, scene).summaries == ["created a", "created b"]
    assert [line for line in log if "locked can't be read (Permission denied); changes in it are not seen" in line]


def test_full_disk_is_an_error_of_the_environment(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon starts the trigger again without counting it, however long the disk stays full."""
    errors: list[BaseException | None] = []

    def refuse(_: Snapshot) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)) as task:
            with monkeypatch.context() as full:
                full.setattr(Snapshot, "transaction", refuse)
                (top / "a").write_text("x")
                await listener.wait_until(task.done)
            errors.append(task.exception())
        async with listener.running(trigger(top)):
            await listener.wait_for(1)

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == ["created a"]
    assert is_environmental(errors[0])
    assert "snapshot.sqlite: can't be read or written (database or disk is full); check the disk" in str(errors[0])
