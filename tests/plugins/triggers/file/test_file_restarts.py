"""The file trigger loses nothing while the daemon is down, and tells nothing twice."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import EmitResult, advance, event_of, play, trigger

from rae_auto.api import EmitResult as Verdict
from rae_auto.testing.sources import VirtualTimer
from rae_plugins.triggers.file import FileTrigger, observers

# Fixtures.
top = file_watching.top


def test_changes_while_the_daemon_was_down_are_told_at_the_next_start(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
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

    async def scene(told: EmitResult) -> None:
        keys = []

        def kept_but_not_answered(key: str) -> Verdict:
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
    async def scene(told: EmitResult) -> None:
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
    async def scene(told: EmitResult) -> None:
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
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top)):
            pass
        with closing(sqlite3.connect(told.directory / "snapshot.sqlite")) as database:
            database.execute("PRAGMA user_version = 9")
        async with told.at_work(trigger(top)):
            (top / "new").write_text("x")
            await told.until_told(top / "new")

    assert play(tmp_path, scene).said == ["created new"]
    assert [line for line in log if "its format is 9" in line]


def test_after_a_suspend_everything_is_looked_at(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened meanwhile on a disk of another machine has made no event: here no handler passes any on."""
    monkeypatch.setattr(observers.Handler, "dispatch", lambda *_: None)
    timer = VirtualTimer()

    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top)):
            (top / "a").write_text("x")
            await asyncio.sleep(0.2)
            await timer.sleep_machine(timedelta(hours=1))
            await advance(timer, lambda: bool(told.occurrences))

    told = play(tmp_path, scene, timer)
    assert told.said == ["created a"]
    assert event_of(told.occurrences[0])["origin"] == "rescan"


def test_a_trigger_of_a_home_that_is_another_now_looks_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(told: EmitResult) -> None:
        for home in ("one", "two"):
            (tmp_path / home / "in").mkdir(parents=True)
            (tmp_path / home / "in" / "old").write_text("x")
            monkeypatch.setenv("HOME", str(tmp_path / home))
            async with told.at_work(FileTrigger(paths=["~/in"], quiet="50ms")):
                (tmp_path / home / "in" / "new").write_text("x")
                await told.until_told(tmp_path / home / "in" / "new")

    said = play(tmp_path, scene).said
    assert [text for text in said if text == "created new"] == ["created new"] * 2
