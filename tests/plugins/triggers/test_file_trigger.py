"""The file trigger on real files."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.triggers.file_watching import ALL, Told, event_of, has_begun, trigger, twice

from rae_auto.testing.sources import PATIENCE, Listener, RealTimer, SourceConformance
from rae_plugins.triggers.file import FileTrigger, rae_triggers


class TestFileConforms(SourceConformance):
    @pytest.fixture(params=["all", "each"])
    def plugin(self, request: pytest.FixtureRequest, tmp_path: Path) -> FileTrigger:
        self.top = tmp_path / "in"
        self.top.mkdir()
        return trigger(self.top, batch=request.param)

    def timer(self) -> RealTimer:
        return RealTimer()

    async def ready(self, listener: Listener) -> None:
        async with asyncio.timeout(PATIENCE):
            while not has_begun(listener.directory):  # noqa: ASYNC110 - a file tells
                await asyncio.sleep(0.02)

    async def provoke(self, listener: Listener, number: int) -> None:
        (self.top / f"{number}.txt").write_text("x")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A directory to watch."""
    place = tmp_path / "in"
    place.mkdir()
    return place


def play(tmp_path: Path, scene: Callable[[Told], Awaitable[None]]) -> Told:
    """A scene with a daemon that listens."""
    told: list[Told] = []

    async def whole() -> None:
        told.append(Told(tmp_path / "state"))
        await scene(told[0])

    asyncio.run(whole())
    return told[0]


def test_the_module_offers_one_trigger_of_its_name() -> None:
    assert rae_triggers() == [FileTrigger]


def test_it_tells_of_what_is_created_modified_moved_and_deleted(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            file = top / "a"
            file.write_text("1")
            await told.wait_for(1)
            file.write_text("12")
            await told.wait_for(2)
            file.rename(top / "b")
            await told.wait_for(3)
            (top / "b").unlink()
            await told.wait_for(4)

    told = play(tmp_path, scene)
    assert told.said == ["created a", "modified a", "moved b", "deleted b"]
    assert told.changes[2]["from"] == str(top / "a")
    assert [event_of(occurrence)["origin"] for occurrence in told.occurrences] == ["watch"] * 4
    assert all(occurrence.at is not None for occurrence in told.occurrences)


def test_only_changes_that_are_asked_for_are_told(top: Path, tmp_path: Path) -> None:
    """A move is then what it is made of."""

    async def scene(told: Told) -> None:
        (top / "old").write_text("x")
        async with told.at_work(trigger(top, events=["created"])):
            (top / "old").write_text("xy")
            (top / "new").write_text("x")
            await told.wait_for(1)
            (top / "new").rename(top / "moved")
            (top / "old").unlink()
            await told.wait_for(2)

    assert play(tmp_path, scene).said == ["created new", "created moved"]


def test_a_burst_is_one_occurrence(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top, quiet="300ms")):
            for number in range(100):
                (top / f"{number:03}").write_text("x")
            await told.wait_for(1)

    (occurrence,) = play(tmp_path, scene).occurrences
    assert event_of(occurrence)["count"] == 100
    assert event_of(occurrence)["paths"] == [str(top / f"{number:03}") for number in range(100)]


def test_each_file_can_have_an_occurrence_of_its_own(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top, batch="each")):
            for number in range(120):
                (top / f"{number:03}").write_text("x")
            await told.wait_for(120)

    told = play(tmp_path, scene)
    assert {event_of(occurrence)["count"] for occurrence in told.occurrences} == {1}
    assert len({occurrence.key for occurrence in told.occurrences}) == 120


@pytest.mark.parametrize(("initial", "said"), [(True, ["created old", "created new"]), (False, ["created new"])])
def test_files_that_are_there_at_the_first_start_are_told_if_asked_for(
    top: Path, tmp_path: Path, initial: bool, said: list[str]
) -> None:
    async def scene(told: Told) -> None:
        (top / "old").write_text("x")
        for name in (None, "new"):
            async with told.at_work(trigger(top, initial=initial)):
                if name is not None:
                    (top / name).write_text("x")
                    await told.until_told(top / name)

    told = play(tmp_path, scene)
    assert told.said == said
    if initial:
        assert event_of(told.occurrences[0])["origin"] == "initial"


def test_what_does_not_match_or_is_ignored_is_not_told(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top / "*.txt", ignore=["draft*"])):
            for name in ("a.pdf", "draft.txt", "sub/a.txt", "a.txt"):
                (top / name).parent.mkdir(exist_ok=True)
                (top / name).write_text("x")
            await told.until_told(top / "a.txt")

    assert play(tmp_path, scene).said == ["created a.txt"]


def test_noise_in_what_is_ignored_does_not_keep_it_waiting(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
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


def test_it_tells_of_new_directories_and_of_such_that_are_moved(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top, recursive=True)):
            (top / "a" / "b").mkdir(parents=True)
            (top / "a" / "b" / "file").write_text("x")
            await told.wait_for(1)
            (top / "a").rename(top / "c")
            await told.wait_for(2)
            (top / "c" / "b" / "later").write_text("x")
            await told.wait_for(3)
            (top / "c").rename(tmp_path / "out")
            await told.wait_for(4)
            (tmp_path / "out" / "b" / "unseen").write_text("x")
            (tmp_path / "out").rename(top / "back")
            await told.wait_for(5)

    told = play(tmp_path, scene)
    assert told.said[:3] == ["created file", "moved file", "created later"]
    assert sorted(told.said[3:5]) == ["deleted file", "deleted later"]
    assert sorted(told.said[5:]) == ["created file", "created later", "created unseen"]


def test_a_directory_that_is_deleted_is_told_file_by_file(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        (top / "a" / "b").mkdir(parents=True)
        for name in ("a/1", "a/b/2"):
            (top / name).write_text("x")
        async with told.at_work(trigger(top, recursive=True, quiet="300ms")):
            shutil.rmtree(top / "a")
            await told.until_told(top / "a/1", top / "a/b/2")

    assert sorted(play(tmp_path, scene).said) == ["deleted 1", "deleted 2"]


# Atomic saves of editors.


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
    async def scene(told: Told) -> None:
        file = top / "text"
        file.write_text("old")
        async with told.at_work(trigger(top if by == "folder" else file, quiet="300ms")):
            save(file)
            await told.wait_for(1)
            save(file)
            await told.wait_for(2)

    assert play(tmp_path, scene).said == ["modified text"] * 2


def test_a_file_that_was_told_under_its_temporary_name_is_told_as_moved(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        (top / "final").write_text("old")
        async with told.at_work(trigger(top)):
            (top / "temporary").write_text("new")
            await told.wait_for(1)
            (top / "temporary").replace(top / "final")
            await told.wait_for(2)

    assert play(tmp_path, scene).said == ["created temporary", "moved final"]


# Files that grow.


def test_a_file_is_told_when_its_writer_has_closed_it(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
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
    async def scene(told: Told) -> None:
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
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top, stable="200ms")):
            with (top / "open").open("w"):
                await asyncio.sleep(0.1)
                (top / "open").unlink()
            await asyncio.sleep(0.3)
            (top / "other").write_text("x")
            await told.until_told(top / "other")

    assert play(tmp_path, scene).said == ["created other"]


# Roots.


def test_a_root_that_does_not_exist_yet_is_followed(tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(tmp_path / "a" / "b" / "in")):
            (tmp_path / "a" / "b" / "in").mkdir(parents=True)
            (tmp_path / "a" / "b" / "in" / "file").write_text("x")
            await told.wait_for(1)

    assert play(tmp_path, scene).said == ["created file"]


def test_a_root_that_is_deleted_and_made_again_is_followed(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
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
    async def scene(told: Told) -> None:
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
    async def scene(told: Told) -> None:
        (tmp_path / "a" / "in").mkdir(parents=True)
        async with told.at_work(trigger(tmp_path / "a" / "in")):
            (tmp_path / "a").rename(tmp_path / "b")
            (tmp_path / "a" / "in").mkdir(parents=True)
            (tmp_path / "a" / "in" / "file").write_text("x")
            await told.until_told(tmp_path / "a" / "in" / "file")

    assert play(tmp_path, scene).said == ["created file"]


def test_a_file_as_root_may_come_and_go(tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
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
    async def scene(told: Told) -> None:
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
    async def scene(told: Told) -> None:
        (top / "round").symlink_to(top)
        async with told.at_work(trigger(top, recursive=True)):
            (top / "again").symlink_to(top)
            (top / "broken").symlink_to(top / "nothing")
            os.mkfifo(top / "pipe")
            (top / "file").write_text("x")
            await told.until_told(top / "file")

    assert play(tmp_path, scene).said == ["created file"]


def test_names_that_are_no_text_are_told(top: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n\"'")

    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top)):
            (top / name).write_text("x")
            await told.until_told(top / name)

    assert play(tmp_path, scene).changes[0]["path"] == os.path.join(top, name)


def test_several_paths_that_overlap_tell_of_a_file_once(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        (top / "sub").mkdir()
        async with told.at_work(trigger(top, top / "sub", top / "sub" / "*.txt", top / "**" / "a.txt")):
            (top / "sub" / "a.txt").write_text("x")
            await told.wait_for(1)
            (top / "b").write_text("x")
            await told.wait_for(2)

    assert play(tmp_path, scene).said == ["created a.txt", "created b"]


def test_a_touch_and_a_change_of_the_time_alone_are_modifications(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        (top / "a").write_text("x")
        async with told.at_work(trigger(top)):
            os.utime(top / "a", (1, 1))
            await told.wait_for(1)
            os.utime(top / "a")
            await told.wait_for(2)
            (top / "a").chmod(0o600)
            (top / "b").write_text("x")
            await told.wait_for(3)

    assert play(tmp_path, scene).said == ["modified a", "modified a", "created b"]


def test_the_daemons_own_directory_is_never_watched(tmp_path: Path) -> None:
    async def scene() -> Told:
        state = tmp_path / "state"
        told = Told(state / "triggers" / "job" / "trigger")
        async with told.at_work(trigger(tmp_path, recursive=True)):
            (state / "state.sqlite").write_text("what the daemon writes")
            (tmp_path / "a").write_text("x")
            await told.until_told(tmp_path / "a")
        return told

    assert asyncio.run(scene()).said == ["created a"]


def test_polling_sees_the_same(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async with told.at_work(trigger(top, polling="always", recursive=True)):
            (top / "sub").mkdir()
            (top / "sub" / "a").write_text("1")
            await told.wait_for(1)
            (top / "sub" / "a").rename(top / "b")
            await told.wait_for(2)
            shutil.rmtree(top)
            await told.wait_for(3)
            os.mkdir(top)
            (top / "c").write_text("1")
            await told.wait_for(4)

    told = play(tmp_path, scene)
    assert told.said == ["created a", "moved b", "deleted b", "created c"]
    assert twice(told) == []


def test_changes_go_on_being_told_while_files_never_rest(top: Path, tmp_path: Path) -> None:
    async def scene(told: Told) -> None:
        async def write_on() -> None:
            for number in range(10_000):
                (top / "log").write_text(str(number))
                await asyncio.sleep(0.01)

        async with told.at_work(trigger(top, quiet="200ms", max_wait="300ms")):
            writer = asyncio.ensure_future(write_on())
            await told.wait_for(3)
            writer.cancel()

    assert play(tmp_path, scene).said[:3] == ["created log", "modified log", "modified log"]


def test_all_kinds_of_changes_are_known(top: Path) -> None:
    options: dict[str, Any] = {"paths": [str(top)]}
    assert set(FileTrigger(**options).events) == set(ALL) - {"deleted"}
