"""Paths that do not exist yet, go, come back, or lead elsewhere."""

import os
import shutil
from pathlib import Path

from tests.support import file_watching
from tests.support.file_watching import EmitResult, play, trigger

# A fixture.
top = file_watching.top


def test_a_root_that_does_not_exist_yet_is_followed(tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(tmp_path / "a" / "b" / "in")):
            (tmp_path / "a" / "b" / "in").mkdir(parents=True)
            (tmp_path / "a" / "b" / "in" / "file").write_text("x")
            await told.wait_for(1)

    assert play(tmp_path, scene).said == ["created file"]


def test_a_root_that_is_deleted_and_made_again_is_followed(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (top / "old").write_text("x")
        async with told.at_work(trigger(top)):
            for number in range(3):
                shutil.rmtree(top)
                os.mkdir(top)
                (top / f"{number}").write_text("x")
                await told.until_told(top / f"{number}")

    told = play(tmp_path, scene)
    assert [text for text in told.said if text.startswith("created")] == ["created 0", "created 1", "created 2"]


def test_a_root_that_is_replaced_by_another_is_followed(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (top / "same").write_text("x")
        async with told.at_work(trigger(top)):
            other = tmp_path / "other"
            other.mkdir()
            (other / "new").write_text("x")
            os.rename(top, tmp_path / "away")
            os.rename(other, top)
            await told.until_told(top / "new", top / "same")
            (tmp_path / "away" / "unseen").write_text("x")
            (top / "later").write_text("x")
            await told.until_told(top / "later")

    assert sorted(play(tmp_path, scene).said) == ["created later", "created new", "deleted same"]


def test_a_root_whose_parent_is_replaced_is_followed(tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (tmp_path / "a" / "in").mkdir(parents=True)
        async with told.at_work(trigger(tmp_path / "a" / "in")):
            (tmp_path / "a").rename(tmp_path / "b")
            (tmp_path / "a" / "in").mkdir(parents=True)
            (tmp_path / "a" / "in" / "file").write_text("x")
            await told.until_told(tmp_path / "a" / "in" / "file")

    assert play(tmp_path, scene).said == ["created file"]


def test_a_file_as_root_may_come_and_go(tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        file = tmp_path / "notes.txt"
        async with told.at_work(trigger(file)):
            file.write_text("x")
            await told.wait_for(1)
            (tmp_path / "other.txt").write_text("x")
            file.unlink()
            await told.wait_for(2)
            file.write_text("xy")
            await told.wait_for(3)
            with file.open("a") as more:
                more.write("z")
            await told.wait_for(4)

    assert play(tmp_path, scene).said == [f"{what} notes.txt" for what in ("created", "deleted", "created", "modified")]


def test_a_root_behind_a_link_is_told_as_it_was_written(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (tmp_path / "link").symlink_to(top)
        async with told.at_work(trigger(tmp_path / "link", recursive=True)):
            (top / "sub").mkdir()
            (top / "sub" / "file").write_text("x")
            await told.until_told(tmp_path / "link" / "sub" / "file")
            other = tmp_path / "other"
            other.mkdir()
            (tmp_path / "link").unlink()
            (tmp_path / "link").symlink_to(other)
            (other / "new").write_text("x")
            await told.until_told(tmp_path / "link" / "new")

    assert play(tmp_path, scene).said[:1] == ["created file"]


def test_links_inside_of_a_folder_lead_nowhere(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (top / "round").symlink_to(top)
        async with told.at_work(trigger(top, recursive=True)):
            (top / "again").symlink_to(top)
            (top / "broken").symlink_to(top / "nothing")
            os.mkfifo(top / "pipe")
            (top / "file").write_text("x")
            await told.until_told(top / "file")

    assert play(tmp_path, scene).said == ["created file"]
