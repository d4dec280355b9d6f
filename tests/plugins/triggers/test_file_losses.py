"""Nothing is lost: not while the daemon is down, not when the kernel drops events or has no watches left."""

import asyncio
import itertools
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from tests.plugins.triggers.file_watching import Told, event_of, trigger, twice, written

from rae_auto.api import Told as Answer
from rae_auto.model.reasons import Reason
from rae_auto.testing.sources import VirtualTimer
from rae_plugins.triggers.file import FileTrigger, dirt, eyes, watcher

LIMITS = Path("/proc/sys/fs/inotify")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A directory to watch."""
    place = tmp_path / "in"
    place.mkdir()
    return place


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of the log."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


@contextmanager
def limit(name: str, value: int) -> Iterator[None]:
    """The kernel allows only so many of something."""
    path = LIMITS / name
    before = path.read_text()
    try:
        path.write_text(str(value))
    except OSError as error:
        pytest.skip(f"{path} can't be written here: {error}")
    try:
        yield
    finally:
        path.write_text(before)


def play(tmp_path: Path, scene: Callable[[Told], Awaitable[None]], timer: Any = None) -> Told:
    told: list[Told] = []

    async def whole() -> None:
        told.append(Told(tmp_path / "state", timer))
        await scene(told[0])

    asyncio.run(whole())
    return told[0]


def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: Path, kind: str) -> Path:
    """A table of mounts with one of this kind."""
    table = tmp_path / "mounts"
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / {point} rw shared:1 - {kind} host:/x rw\n")
    monkeypatch.setattr("rae_auto.api.files.MOUNTS", table)
    return table


# Restarts.


def test_changes_while_the_daemon_was_down_are_told_at_the_next_start(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        for name in ("modified", "deleted", "moved", "same", "sub/deep"):
            (top / name).parent.mkdir(exist_ok=True)
            (top / name).write_text("x")
        options = {"recursive": True}
        async with told.at_work(trigger(top, **options)):
            pass
        (top / "modified").write_text("xy")
        (top / "deleted").unlink()
        (top / "moved").rename(top / "away")
        (top / "created").write_text("x")
        (top / "sub").rename(top / "other")
        async with told.at_work(trigger(top, **options)):
            await told.wait_for(1)
        async with told.at_work(trigger(top, **options)):
            (top / "end").write_text("x")
            await told.until_told(top / "end")

    told = play(tmp_path, scene)
    (after_restart, _) = told.occurrences
    assert sorted(told.said) == [
        "created created",
        "created end",
        "deleted deleted",
        "modified modified",
        "moved away",
        "moved deep",
    ]
    assert event_of(after_restart)["origin"] == "rescan"


@pytest.mark.parametrize("batch", ["all", "each"])
def test_what_could_not_be_kept_is_told_again_under_the_same_key_and_once(
    top: Path, tmp_path: Path, batch: str
) -> None:
    """A kill between the occurrence and the snapshot: it is durable, but the trigger doesn't know."""

    async def scene(told: Told) -> None:
        keys = []

        def kept_but_not_answered(key: str) -> Answer:
            keys.append(key)
            raise OSError("killed")

        good = told.answer
        told.answer = kept_but_not_answered
        async with told.at_work(trigger(top, batch=batch)) as task:
            (top / "a").write_text("x")
            await told.until(task.done)
        # More has happened until it is told again.
        (top / "b").write_text("x")
        told.answer = good
        async with told.at_work(trigger(top, batch=batch)):
            await told.wait_for(2)
        assert [occurrence.key for occurrence in told.occurrences][:1] == keys

    told = play(tmp_path, scene)
    assert told.said == ["created a", "created b"]


def test_other_options_make_nothing_old_new(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        other = tmp_path / "other"
        other.mkdir()
        for place in (top, other):
            (place / "old").write_text("x")
        async with told.at_work(trigger(top)):
            pass
        (top / "meanwhile").write_text("x")
        async with told.at_work(trigger(top, other)):
            await told.until_told(top / "meanwhile")
        async with told.at_work(trigger(other)):
            (other / "new").write_text("x")
            await told.until_told(other / "new")
        async with told.at_work(trigger(top, other)):
            (other / "newer").write_text("x")
            await told.until_told(other / "newer")

    assert play(tmp_path, scene).said == ["created meanwhile", "created new", "created newer"]


def test_a_snapshot_that_is_damaged_is_put_aside(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(told: Told) -> None:
        (top / "old").write_text("x")
        async with told.at_work(trigger(top, initial=True)):
            await told.wait_for(1)
        for path in told.directory.iterdir():
            path.write_bytes(b"no database at all" * 500)
        async with told.at_work(trigger(top, initial=True)):
            (top / "new").write_text("x")
            await told.until_told(top / "new")

    assert play(tmp_path, scene).said == ["created old", "created new"]
    assert (tmp_path / "state" / "snapshot.sqlite.corrupt").exists()
    assert [line for line in log if "is damaged" in line]


def test_a_snapshot_of_a_newer_version_is_put_aside(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            pass
        with closing(sqlite3.connect(told.directory / "snapshot.sqlite")) as database:
            database.execute("PRAGMA user_version = 9")
        async with told.at_work(trigger(top)):
            (top / "new").write_text("x")
            await told.until_told(top / "new")

    assert play(tmp_path, scene).said == ["created new"]
    assert [line for line in log if "its format is 9" in line]


# Suspend and refusals, on clocks that the test moves.


async def advance(timer: VirtualTimer, told: Told, until: Callable[[], bool]) -> None:
    """Let time pass, while real files make real events, until something holds."""

    def holds() -> bool:
        return until()

    async with asyncio.timeout(30):
        while not holds():
            await timer.advance(0.1)
            await asyncio.sleep(0.005)


class Refusing:
    """The engine's guard against too many runs: answers `rate` as often as it is told to."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.keys: list[str] = []

    def __call__(self, key: str) -> Answer:
        self.keys.append(key)
        if self.left > 0:
            self.left -= 1
            return Answer(reason=RATE)
        return Answer()


RATE: Any = getattr(Reason, "RATE", "rate")


@pytest.mark.parametrize("batch", ["all", "each"])
def test_what_was_refused_is_offered_again_after_a_growing_pause_by_another_key(
    top: Path, tmp_path: Path, batch: str, log: list[str]
) -> None:
    timer = VirtualTimer()

    async def scene(told: Told) -> None:
        refusing = Refusing(times=3)
        told.answer = refusing
        async with told.at_work(trigger(top, batch=batch)):
            (top / "a").write_text("x")
            await advance(timer, told, lambda: len(refusing.keys) == 1)
            for pause in (60, 120, 240):
                offers = len(refusing.keys)
                await timer.advance(pause - 10, step=timedelta(seconds=5))
                await asyncio.sleep(0.1)
                assert len(refusing.keys) == offers
                await advance(timer, told, lambda: len(refusing.keys) > offers)  # noqa: B023
            assert len(set(refusing.keys)) == 4
            (top / "b").write_text("x")
            await advance(timer, told, lambda: len(refusing.keys) == 5)

    told = play(tmp_path, scene, timer)
    assert {change["path"] for change in event_of(told.occurrences[-2])["changes"]} == {str(top / "a")}
    assert {change["path"] for change in event_of(told.occurrences[-1])["changes"]} == {str(top / "b")}
    assert [line for line in log if "held back and offered again in 60 s" in line]


def test_what_was_refused_is_carried_into_the_next_occurrence(top: Path, tmp_path: Path) -> None:
    timer = VirtualTimer()

    async def scene(told: Told) -> None:
        (top / "old").write_text("x")
        refusing = Refusing(times=1)
        told.answer = refusing
        async with told.at_work(trigger(top)):
            (top / "old").rename(top / "moved")
            (top / "a").write_text("x")
            (top / "short").write_text("x")
            await advance(timer, told, lambda: len(refusing.keys) == 1)
            (top / "a").write_text("xy")
            (top / "short").unlink()
            (top / "b").write_text("x")
            await advance(timer, told, lambda: len(refusing.keys) == 2)

    told = play(tmp_path, scene, timer)
    carried = event_of(told.occurrences[-1])["changes"]
    found = {(change["change"], os.path.basename(change["path"]), change["size"]) for change in carried}
    assert found == {("created", "a", 2), ("created", "b", 1), ("moved", "moved", 1)}


def test_what_was_refused_survives_a_restart_and_has_another_key_then(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
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


def test_after_a_suspend_everything_is_looked_at(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened meanwhile on a disk of another machine has made no event: here no handler passes any on."""
    monkeypatch.setattr(eyes.Handler, "dispatch", lambda *_: None)
    timer = VirtualTimer()

    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await asyncio.sleep(0.2)
            await timer.sleep_machine(timedelta(hours=1))
            await advance(timer, told, lambda: bool(told.occurrences))

    told = play(tmp_path, scene, timer)
    assert told.said == ["created a"]
    assert event_of(told.occurrences[0])["origin"] == "rescan"


# What watches don't tell of.


@pytest.mark.parametrize("per_directory", [0, 10], ids=["one directory", "nested new directories"])
def test_of_many_files_by_four_writers_none_is_lost_or_told_twice(
    top: Path, tmp_path: Path, per_directory: int
) -> None:
    """Forty thousand are in tests/benchmarks/file_events.py."""

    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top, recursive=True)):
            files = await written(top, 8000, per_directory=per_directory)
            await told.until(lambda: len(told.changes) >= 8000)
            assert {change["path"] for change in told.changes} == files

    assert twice(play(tmp_path, scene)) == []


def test_an_overflow_of_the_kernels_queue_loses_nothing(top: Path, tmp_path: Path, log: list[str]) -> None:
    """With more directories than the queue holds, watchdog's making its watches anew overflows it again, for ever."""

    async def scene(told: Told) -> None:
        for number in range(100):
            (top / f"{number}").mkdir()
        with limit("max_queued_events", 16):
            async with told.at_work(trigger(top, recursive=True, max_wait="1h")):
                files = await written(top, 1000, per_directory=20)
                await told.until(lambda: len(told.changes) >= 1000)
                assert {change["path"] for change in told.changes} == files
                (top / "7" / "later").write_text("x")
                await told.until_told(top / "7" / "later")

    assert twice(play(tmp_path, scene)) == []
    assert [line for line in log if "queue of file events overflowed; everything is looked at" in line]


def test_where_watches_run_out_it_polls_and_loses_nothing(
    top: Path, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "PATIENCE_WITH_KERNEL", 0.5)

    async def scene(told: Told) -> None:
        for number in range(300):
            (top / f"{number}").mkdir()
        with limit("max_user_watches", watches_in_use() + 100):
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


def test_where_there_is_no_watch_at_all_it_polls(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(told: Told) -> None:
        with limit("max_user_instances", 0):
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

    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await advance(timer, told, lambda: bool(told.occurrences))
            await timer.advance(watcher.RECOVERY, step=timedelta(seconds=20))
            await advance(timer, told, lambda: len(tries) == 3)
            (top / "b").write_text("x")
            await advance(timer, told, lambda: len(told.occurrences) == 2)

    assert play(tmp_path, scene, timer).said == ["created a", "created b"]
    assert tries == [False, True, False]
    assert [line for line in log if "can't watch (inotify watch limit reached); looks every 0.1 s instead" in line]


def test_what_another_observer_says_in_its_log_is_no_overflow(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            logging.getLogger("watchdog.observers.polling").warning("a share is slow")
            (top / "a").write_text("x")
            await told.until_told(top / "a")

    assert play(tmp_path, scene).said == ["created a"]
    assert not [line for line in log if "everything is looked at" in line]


def test_more_places_than_can_be_remembered_are_everything(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dirt, "MOST", 10)

    async def scene(told: Told) -> None:
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

    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            with monkeypatch.context() as patched:
                patched.setattr("rae_plugins.triggers.file.comparison.os.stat", fail)
                (top / "a").write_text("x")
                (top / "b").write_text("x")
                await advance(timer, told, lambda: bool(told.occurrences))
            assert told.said == ["created b"]
            await advance(timer, told, lambda: len(told.occurrences) == 2)

    assert play(tmp_path, scene, timer).said == ["created b", "created a"]


def watches_in_use() -> int:
    """How many watches the user's processes have."""
    count = 0
    for info in itertools.chain.from_iterable(
        Path(process).glob("fdinfo/*") for process in Path("/proc").glob("[0-9]*")
    ):
        try:
            count += sum(line.startswith("inotify wd:") for line in info.read_text().splitlines())
        except OSError:
            continue
    return count


def test_a_thread_that_has_died_is_replaced(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = VirtualTimer()

    async def scene(told: Told) -> None:
        made = []
        begin = watcher.watch
        monkeypatch.setattr(watcher, "watch", lambda *given: made.append(begin(*given)) or made[-1])
        async with told.at_work(trigger(top)):
            made[0].observers[0].stop()
            made[0].observers[0].join()
            (top / "a").write_text("x")
            await timer.advance(watcher.SUPERVISION)
            await advance(timer, told, lambda: bool(told.occurrences))
            (top / "b").write_text("x")
            await advance(timer, told, lambda: len(told.occurrences) == 2)
        assert len(made) == 2

    assert play(tmp_path, scene, timer).said == ["created a", "created b"]


def test_a_handler_that_fails_ends_no_thread(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(eyes.Handler, "_note", fail)

    async def scene(told: Told) -> None:
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

    async def scene(told: Told) -> None:
        (top / "locked" / "below").mkdir(parents=True)
        (top / "locked" / "below" / "file").write_text("x")
        async with told.at_work(trigger(top, recursive=True)):
            pass
        with monkeypatch.context() as patched:
            patched.setattr("rae_plugins.triggers.file.comparison.os.scandir", refuse)
            async with told.at_work(trigger(top, recursive=True)):
                (top / "a").write_text("x")
                await told.until_told(top / "a")
        async with told.at_work(trigger(top, recursive=True)):
            (top / "b").write_text("x")
            await told.until_told(top / "b")

    assert play(tmp_path, scene).said == ["created a", "created b"]
    assert [line for line in log if "locked can't be read (Permission denied); it is left as it was" in line]


# Mounts.


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "fuse", "9p", "vboxsf"])
def test_a_folder_on_a_shared_file_system_is_polled(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounted(tmp_path, monkeypatch, top, kind)
    seen = []
    begin = watcher.watch
    monkeypatch.setattr(watcher, "watch", lambda posts, *given: seen.extend(posts) or begin(posts, *given))

    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await told.until_told(top / "a")

    assert play(tmp_path, scene).said == ["created a"]
    assert {post.path: post.is_polled for post in seen}[str(top)]
    assert not {post.path: post.is_polled for post in seen}[str(tmp_path)]


def test_a_shared_file_system_below_a_folder_is_polled_too(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "far").mkdir()
    mounted(tmp_path, monkeypatch, top / "far", "nfs")
    seen = []
    begin = watcher.watch
    monkeypatch.setattr(watcher, "watch", lambda posts, *given: seen.extend(posts) or begin(posts, *given))

    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top, recursive=True)):
            (top / "far" / "a").write_text("x")
            await told.until_told(top / "far" / "a")

    assert play(tmp_path, scene).said == ["created a"]
    assert [post.path for post in seen if post.is_polled] == [str(top / "far")]


def test_a_disk_that_is_not_mounted_has_lost_no_files(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    table = mounted(tmp_path, monkeypatch, top / "disk", "ext4")

    async def scene(told: Told) -> None:
        (top / "disk").mkdir()
        (top / "disk" / "file").write_text("x")
        async with told.at_work(trigger(top, recursive=True)):
            pass
        with_disk = table.read_text()
        table.write_text(with_disk.splitlines(keepends=True)[0])
        (top / "disk").rename(tmp_path / "unmounted")
        async with told.at_work(trigger(top, recursive=True)):
            (top / "a").write_text("x")
            await told.until_told(top / "a")
        (tmp_path / "unmounted").rename(top / "disk")
        table.write_text(with_disk)
        async with told.at_work(trigger(top, recursive=True)):
            (top / "disk" / "new").write_text("x")
            await told.until_told(top / "disk" / "new")

    assert play(tmp_path, scene).said == ["created a", "created new"]
    assert [line for line in log if f"nothing is mounted at {top}/disk" in line]


def test_a_trigger_of_a_home_that_is_another_now_looks_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(told: Told) -> None:
        for home in ("one", "two"):
            (tmp_path / home / "in").mkdir(parents=True)
            (tmp_path / home / "in" / "old").write_text("x")
            monkeypatch.setenv("HOME", str(tmp_path / home))
            async with told.at_work(FileTrigger(paths=["~/in"], quiet="50ms")):
                (tmp_path / home / "in" / "new").write_text("x")
                await told.until_told(tmp_path / home / "in" / "new")

    said = play(tmp_path, scene).said
    assert [text for text in said if text == "created new"] == ["created new"] * 2
