"""The file trigger loses no change while the daemon is down, and delivers none twice."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, advance, event_of, run_scene, trigger

from rae_auto.api import EmitResult
from rae_auto.testing.sources import VirtualTimer
from rae_plugins.triggers.file import FileTrigger, observers
from rae_plugins.triggers.file.snapshot import Snapshot

# Fixtures.
top = file_watching.top


@pytest.mark.requirement("R36")
def test_changes_during_downtime_are_delivered_at_start(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        for name in ("modified", "deleted", "moved", "same", "sub/deep"):
            (top / name).parent.mkdir(exist_ok=True)
            (top / name).write_text("x")
        options = {"recursive": True}
        async with listener.running(trigger(top, **options)):
            pass
        (top / "modified").write_text("xy")
        (top / "deleted").unlink()
        (top / "moved").rename(top / "away")
        (top / "created").write_text("x")
        (top / "sub").rename(top / "other")
        async with listener.running(trigger(top, **options)):
            await listener.wait_for(1)
        async with listener.running(trigger(top, **options)):
            (top / "end").write_text("x")
            await listener.wait_for_changes(top / "end")

    listener = run_scene(tmp_path, scene)
    (after_restart, _) = listener.occurrences
    assert sorted(listener.summaries) == [
        "created created",
        "created end",
        "deleted deleted",
        "modified modified",
        "moved away",
        "moved deep",
    ]
    assert event_of(after_restart)["origin"] == "rescan"


def test_file_written_before_the_first_scan_counts(top: Path, tmp_path: Path) -> None:
    """The job was there already, and killed before its trigger had looked for the first time."""

    async def scene(listener: FileListener) -> None:
        (top / "before").write_text("x")
        since = listener.timer.now().wall
        create_when_clock_is_past(top / "after", since)
        path = listener.directory / "snapshot.sqlite"
        await asyncio.to_thread(lambda: Snapshot(path, since).close())
        async with listener.running(trigger(top, events=["created"])):
            await listener.wait_for_changes(top / "after")

    assert run_scene(tmp_path, scene).summaries == ["created after"]


def test_clock_that_was_wrong_at_the_first_start_makes_no_file_new(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "before").write_text("x")
        async with listener.running(trigger(top, quiet=0)):
            (top / "end").write_text("x")
            await advance(timer, lambda: bool(listener.changes))

    timer = VirtualTimer(datetime(1970, 1, 1, tzinfo=UTC))
    assert run_scene(tmp_path, scene, timer).summaries == ["created end"]


def create_when_clock_is_past(path: Path, instant: datetime) -> None:
    """Create a file with a later time of change; the clock of a file system has steps of some milliseconds."""
    path.touch()
    while path.stat().st_ctime_ns <= instant.timestamp() * 1e9:
        path.chmod(0o600)


@pytest.mark.parametrize("batch", ["all", "each"])
def test_interrupted_delivery_is_repeated_with_the_same_key(top: Path, tmp_path: Path, batch: str) -> None:
    """A kill after the engine has decided, before the snapshot knows."""

    async def scene(listener: FileListener) -> None:
        keys = []

        def kept_but_not_answered(key: str) -> EmitResult:
            keys.append(key)
            raise OSError("killed")

        good = listener.answer
        listener.answer = kept_but_not_answered
        async with listener.running(trigger(top, batch=batch)) as task:
            (top / "a").write_text("x")
            await listener.wait_until(task.done)
        # More has happened until it is told again.
        (top / "b").write_text("x")
        listener.answer = good
        async with listener.running(trigger(top, batch=batch)):
            await listener.wait_for(2)
        assert [occurrence.key for occurrence in listener.occurrences][:1] == keys

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == ["created a", "created b"]


def test_changed_options_report_no_old_file_as_new(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        other = tmp_path / "other"
        other.mkdir()
        for place in (top, other):
            (place / "old").write_text("x")
        async with listener.running(trigger(top)):
            pass
        (top / "meanwhile").write_text("x")
        async with listener.running(trigger(top, other)):
            await listener.wait_for_changes(top / "meanwhile")
        async with listener.running(trigger(other)):
            (other / "new").write_text("x")
            await listener.wait_for_changes(other / "new")
        async with listener.running(trigger(top, other)):
            (other / "newer").write_text("x")
            await listener.wait_for_changes(other / "newer")

    assert run_scene(tmp_path, scene).summaries == ["created meanwhile", "created new", "created newer"]


def test_damaged_snapshot_is_set_aside(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "old").write_text("x")
        async with listener.running(trigger(top, initial=True)):
            await listener.wait_for(1)
        for path in listener.directory.iterdir():
            path.write_bytes(b"no database at all" * 500)
        async with listener.running(trigger(top, initial=True)):
            (top / "new").write_text("x")
            await listener.wait_for_changes(top / "new")

    assert run_scene(tmp_path, scene).summaries == ["created old", "created new"]
    assert (tmp_path / "state" / "snapshot.sqlite.corrupt").exists()
    assert [line for line in log if "is damaged" in line]


def test_snapshot_of_a_newer_format_is_set_aside(top: Path, tmp_path: Path, log: list[str]) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            pass
        with closing(sqlite3.connect(listener.directory / "snapshot.sqlite")) as database:
            database.execute("PRAGMA user_version = 9")
        async with listener.running(trigger(top)):
            (top / "new").write_text("x")
            await listener.wait_for_changes(top / "new")

    assert run_scene(tmp_path, scene).summaries == ["created new"]
    assert [line for line in log if "its format is 9" in line]


def test_suspend_leads_to_a_full_scan(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes on a network share during a suspend have no event; here the handler drops all events."""
    monkeypatch.setattr(observers.EventHandler, "dispatch", lambda *_: None)
    timer = VirtualTimer()

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            (top / "a").write_text("x")
            await asyncio.sleep(0.2)
            await timer.sleep_machine(timedelta(hours=1))
            await advance(timer, lambda: bool(listener.occurrences))

    listener = run_scene(tmp_path, scene, timer)
    assert listener.summaries == ["created a"]
    assert event_of(listener.occurrences[0])["origin"] == "rescan"


def test_another_home_directory_starts_a_new_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(listener: FileListener) -> None:
        for home in ("one", "two"):
            (tmp_path / home / "in").mkdir(parents=True)
            (tmp_path / home / "in" / "old").write_text("x")
            monkeypatch.setenv("HOME", str(tmp_path / home))
            async with listener.running(FileTrigger(paths=["~/in"], quiet="50ms")):
                (tmp_path / home / "in" / "new").write_text("x")
                await listener.wait_for_changes(tmp_path / home / "in" / "new")

    said = run_scene(tmp_path, scene).summaries
    assert [text for text in said if text == "created new"] == ["created new"] * 2
