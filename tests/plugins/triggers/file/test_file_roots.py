"""Paths that do not exist yet, disappear, come back, or are links."""

import os
import shutil
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, run_scene, trigger

# A fixture.
top = file_watching.top


def test_watcher_follows_a_root_created_later(tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(tmp_path / "a" / "b" / "in")):
            (tmp_path / "a" / "b" / "in").mkdir(parents=True)
            (tmp_path / "a" / "b" / "in" / "file").write_text("x")
            await listener.wait_for(1)

    assert run_scene(tmp_path, scene).summaries == ["created file"]


def test_watcher_follows_a_recreated_root(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "old").write_text("x")
        async with listener.running(trigger(top)):
            for number in range(3):
                shutil.rmtree(top)
                os.mkdir(top)
                (top / f"{number}").write_text("x")
                await listener.wait_for_changes(top / f"{number}")

    listener = run_scene(tmp_path, scene)
    assert [text for text in listener.summaries if text.startswith("created")] == [
        "created 0",
        "created 1",
        "created 2",
    ]


def test_watcher_follows_a_replaced_root(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "same").write_text("x")
        async with listener.running(trigger(top)):
            other = tmp_path / "other"
            other.mkdir()
            (other / "new").write_text("x")
            os.rename(top, tmp_path / "away")
            os.rename(other, top)
            await listener.wait_for_changes(top / "new", top / "same")
            (tmp_path / "away" / "unseen").write_text("x")
            (top / "later").write_text("x")
            await listener.wait_for_changes(top / "later")

    assert sorted(run_scene(tmp_path, scene).summaries) == ["created later", "created new", "deleted same"]


def test_watcher_follows_a_root_with_a_replaced_parent(tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (tmp_path / "a" / "in").mkdir(parents=True)
        async with listener.running(trigger(tmp_path / "a" / "in")):
            (tmp_path / "a").rename(tmp_path / "b")
            (tmp_path / "a" / "in").mkdir(parents=True)
            (tmp_path / "a" / "in" / "file").write_text("x")
            await listener.wait_for_changes(tmp_path / "a" / "in" / "file")

    assert run_scene(tmp_path, scene).summaries == ["created file"]


def test_watcher_follows_a_single_file(tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        file = tmp_path / "notes.txt"
        async with listener.running(trigger(file)):
            file.write_text("x")
            await listener.wait_for(1)
            (tmp_path / "other.txt").write_text("x")
            file.unlink()
            await listener.wait_for(2)
            file.write_text("xy")
            await listener.wait_for(3)
            with file.open("a") as more:
                more.write("z")
            await listener.wait_for(4)

    assert run_scene(tmp_path, scene).summaries == [
        f"{what} notes.txt" for what in ("created", "deleted", "created", "modified")
    ]


def test_event_names_a_linked_root_as_written(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (tmp_path / "link").symlink_to(top)
        async with listener.running(trigger(tmp_path / "link", recursive=True)):
            (top / "sub").mkdir()
            (top / "sub" / "file").write_text("x")
            await listener.wait_for_changes(tmp_path / "link" / "sub" / "file")
            other = tmp_path / "other"
            other.mkdir()
            (tmp_path / "link").unlink()
            (tmp_path / "link").symlink_to(other)
            (other / "new").write_text("x")
            await listener.wait_for_changes(tmp_path / "link" / "new")

    assert run_scene(tmp_path, scene).summaries[:1] == ["created file"]


@pytest.mark.requirement("S25")
def test_links_inside_a_folder_are_not_followed(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "round").symlink_to(top)
        async with listener.running(trigger(top, recursive=True)):
            (top / "again").symlink_to(top)
            (top / "broken").symlink_to(top / "nothing")
            os.mkfifo(top / "pipe")
            (top / "file").write_text("x")
            await listener.wait_for_changes(top / "file")

    assert run_scene(tmp_path, scene).summaries == ["created file"]
