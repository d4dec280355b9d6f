"""Files as editors save them, and files that grow."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import EmitResult, play, trigger

# A fixture.
top = file_watching.top


def save_by_rename(file: Path) -> None:
    temporary = file.with_name(f".{file.name}.Xy12")
    temporary.write_text("new")
    temporary.replace(file)


def save_as_vim_does(file: Path) -> None:
    (file.parent / "4913").write_text("")
    (file.parent / "4913").unlink()
    swap = file.with_name(f".{file.name}.swp")
    swap.write_text("swap")
    file.rename(f"{file}~")
    file.write_text("new")
    os.unlink(f"{file}~")
    swap.unlink()


def save_as_vim_does_with_a_backup(file: Path) -> None:
    file.rename(f"{file}~")
    file.write_text("new")


@pytest.mark.parametrize("save", [save_by_rename, save_as_vim_does, save_as_vim_does_with_a_backup])
@pytest.mark.parametrize("by", ["folder", "file"])
def test_an_atomic_save_is_one_change_of_the_file(
    top: Path, tmp_path: Path, save: Callable[[Path], None], by: str
) -> None:
    async def scene(told: EmitResult) -> None:
        file = top / "text"
        file.write_text("old")
        async with told.at_work(trigger(top if by == "folder" else file, quiet="300ms")):
            save(file)
            await told.wait_for(1)
            save(file)
            await told.wait_for(2)

    assert play(tmp_path, scene).said == ["modified text"] * 2


def test_a_file_that_was_told_under_its_temporary_name_is_told_as_moved(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (top / "final").write_text("old")
        async with told.at_work(trigger(top)):
            (top / "temporary").write_text("new")
            await told.wait_for(1)
            (top / "temporary").replace(top / "final")
            await told.wait_for(2)

    assert play(tmp_path, scene).said == ["created temporary", "moved final"]


def test_a_file_is_told_when_its_writer_has_closed_it(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top, stable="1h", max_wait="100ms")):
            with (top / "growing").open("w") as file:
                for _ in range(20):
                    file.write("x")
                    file.flush()
                    await asyncio.sleep(0.02)
                (top / "other").write_text("x")
                await told.until_told(top / "other")
                assert told.said == ["created other"]
            await told.until_told(top / "growing")

    told = play(tmp_path, scene)
    assert told.said == ["created other", "created growing"]
    assert told.changes[-1]["size"] == 20


def test_a_file_that_nobody_closes_is_told_when_it_rests(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top, stable="300ms", max_wait="100ms")):
            with (top / "open").open("w") as file:
                for _ in range(30):
                    file.write("x")
                    file.flush()
                    await asyncio.sleep(0.02)
                await told.until_told(top / "open")

    told = play(tmp_path, scene)
    assert told.changes[-1]["size"] == 30
    assert len(told.occurrences) == 1


def test_a_file_that_goes_before_it_rests_is_forgotten(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top, stable="200ms")):
            with (top / "open").open("w"):
                await asyncio.sleep(0.1)
                (top / "open").unlink()
            await asyncio.sleep(0.3)
            (top / "other").write_text("x")
            await told.until_told(top / "other")

    assert play(tmp_path, scene).said == ["created other"]


def test_changes_go_on_being_told_while_files_never_rest(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        async def write_on() -> None:
            for number in range(10_000):
                (top / "log").write_text(str(number))
                await asyncio.sleep(0.01)

        async with told.at_work(trigger(top, quiet="200ms", max_wait="300ms")):
            writer = asyncio.ensure_future(write_on())
            await told.wait_for(3)
            writer.cancel()

    assert play(tmp_path, scene).said[:3] == ["created log", "modified log", "modified log"]


def test_noise_in_what_is_ignored_does_not_keep_it_waiting(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (top / "cache").mkdir()

        async def make_noise() -> None:
            while True:
                (top / "cache" / "noise").write_text("x")
                await asyncio.sleep(0.01)

        async with told.at_work(trigger(top, recursive=True, ignore=["cache"], quiet="300ms", max_wait="1h")):
            noise = asyncio.ensure_future(make_noise())
            (top / "a").write_text("x")
            await told.until_told(top / "a")
            noise.cancel()

    assert play(tmp_path, scene).said == ["created a"]
