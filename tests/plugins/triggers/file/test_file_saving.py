"""Files as editors save them, and files that grow."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, run_scene, trigger

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
def test_atomic_save_is_one_modification(top: Path, tmp_path: Path, save: Callable[[Path], None], by: str) -> None:
    async def scene(listener: FileListener) -> None:
        file = top / "text"
        file.write_text("old")
        async with listener.running(trigger(top if by == "folder" else file, quiet="300ms")):
            save(file)
            await listener.wait_for(1)
            save(file)
            await listener.wait_for(2)

    assert run_scene(tmp_path, scene).summaries == ["modified text"] * 2


def test_delivered_temporary_file_is_reported_as_moved(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "final").write_text("old")
        async with listener.running(trigger(top)):
            (top / "temporary").write_text("new")
            await listener.wait_for(1)
            (top / "temporary").replace(top / "final")
            await listener.wait_for(2)

    assert run_scene(tmp_path, scene).summaries == ["created temporary", "moved final"]


def test_file_is_delivered_once_its_writer_closes_it(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, stable="1h", complete="closed", max_wait="100ms")):
            with (top / "growing").open("w") as file:
                for _ in range(20):
                    file.write("x")
                    file.flush()
                    await asyncio.sleep(0.02)
                (top / "other").write_text("x")
                await listener.wait_for_changes(top / "other")
                assert listener.summaries == ["created other"]
            await listener.wait_for_changes(top / "growing")

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == ["created other", "created growing"]
    assert listener.changes[-1]["size"] == 20


def test_file_that_is_appended_page_by_page_is_delivered_once(top: Path, tmp_path: Path) -> None:
    """It is closed after each page, and begins empty."""

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, stable="500ms")):
            (top / "scan.pdf").touch()
            await asyncio.sleep(0.8)
            for _ in range(5):
                with (top / "scan.pdf").open("a") as file:
                    file.write("page")
                await asyncio.sleep(0.2)
            await listener.wait_for_changes(top / "scan.pdf")

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == ["created scan.pdf"]
    assert listener.changes[0]["size"] == 20


def test_file_that_is_moved_into_place_is_complete(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, stable="1h")):
            (top / "upload.tmp").write_text("x")
            (top / "upload.tmp").rename(top / "final")
            await listener.wait_for_changes(top / "final")

    assert run_scene(tmp_path, scene).summaries == ["created final"]


def rewrite(file: Path) -> None:
    """Write other content of the same size, and set the time back."""
    before = file.stat()
    with file.open("r+") as opened:
        opened.write("new")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("options", [{}, {"stable": "200ms"}, {"stable": "1h", "complete": "closed"}])
def test_write_that_was_seen_counts_if_size_and_time_stay(top: Path, tmp_path: Path, options: dict[str, str]) -> None:
    async def scene(listener: FileListener) -> None:
        for name in ("a", "b"):
            (top / name).write_text("old")
        async with listener.running(trigger(top, **options)):
            rewrite(top / "a")
            await listener.wait_for_changes(top / "a")
            (top / "b").chmod(0o600)
            (top / "b").rename(top / "c")
            (top / "c").rename(top / "b")
            rewrite(top / "a")
            await listener.wait_for(2)

    assert run_scene(tmp_path, scene).summaries == ["modified a", "modified a"]


def test_unclosed_file_is_delivered_after_its_rest(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, stable="300ms", max_wait="100ms")):
            with (top / "open").open("w") as file:
                for _ in range(30):
                    file.write("x")
                    file.flush()
                    await asyncio.sleep(0.02)
                await listener.wait_for_changes(top / "open")

    listener = run_scene(tmp_path, scene)
    assert listener.changes[-1]["size"] == 30
    assert len(listener.occurrences) == 1


def test_file_deleted_before_its_rest_is_forgotten(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, stable="200ms")):
            with (top / "open").open("w"):
                await asyncio.sleep(0.1)
                (top / "open").unlink()
            await asyncio.sleep(0.3)
            (top / "other").write_text("x")
            await listener.wait_for_changes(top / "other")

    assert run_scene(tmp_path, scene).summaries == ["created other"]


def test_restless_file_holds_no_other_change_back(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async def write_on() -> None:
            for number in range(10_000):
                (top / "log").write_text(str(number))
                await asyncio.sleep(0.01)

        async with listener.running(trigger(top, quiet="200ms", max_wait="300ms")):
            writer = asyncio.ensure_future(write_on())
            await listener.wait_for(3)
            writer.cancel()

    assert run_scene(tmp_path, scene).summaries[:3] == ["created log", "modified log", "modified log"]


def test_changes_of_ignored_files_prolong_no_burst(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "cache").mkdir()

        async def make_noise() -> None:
            while True:
                (top / "cache" / "noise").write_text("x")
                await asyncio.sleep(0.01)

        async with listener.running(trigger(top, recursive=True, ignore=["cache"], quiet="300ms", max_wait="1h")):
            noise = asyncio.ensure_future(make_noise())
            (top / "a").write_text("x")
            await listener.wait_for_changes(top / "a")
            noise.cancel()

    assert run_scene(tmp_path, scene).summaries == ["created a"]
