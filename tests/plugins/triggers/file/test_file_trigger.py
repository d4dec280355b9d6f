"""The file trigger on real files."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support import file_watching
from tests.support.file_watching import ALL, EmitResult, event_of, has_begun, play, trigger, twice

from rae_auto.testing.sources import PATIENCE, Listener, RealTimer, SourceConformance
from rae_plugins.triggers.file import FileTrigger, rae_triggers

# A fixture.
top = file_watching.top


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


def test_the_module_offers_one_trigger_of_its_name() -> None:
    assert rae_triggers() == [FileTrigger]


def test_it_tells_of_what_is_created_modified_moved_and_deleted(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
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

    async def scene(told: EmitResult) -> None:
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
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top, quiet="300ms")):
            for number in range(100):
                (top / f"{number:03}").write_text("x")
            await told.wait_for(1)

    (occurrence,) = play(tmp_path, scene).occurrences
    assert event_of(occurrence)["count"] == 100
    assert event_of(occurrence)["paths"] == [str(top / f"{number:03}") for number in range(100)]


def test_each_file_can_have_an_occurrence_of_its_own(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
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
    async def scene(told: EmitResult) -> None:
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
    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top / "*.txt", ignore=["draft*"])):
            for name in ("a.pdf", "draft.txt", "sub/a.txt", "a.txt"):
                (top / name).parent.mkdir(exist_ok=True)
                (top / name).write_text("x")
            await told.until_told(top / "a.txt")

    assert play(tmp_path, scene).said == ["created a.txt"]


def test_it_tells_of_new_directories_and_of_such_that_are_moved(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
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
    async def scene(told: EmitResult) -> None:
        (top / "a" / "b").mkdir(parents=True)
        for name in ("a/1", "a/b/2"):
            (top / name).write_text("x")
        async with told.at_work(trigger(top, recursive=True, quiet="300ms")):
            shutil.rmtree(top / "a")
            await told.until_told(top / "a/1", top / "a/b/2")

    assert sorted(play(tmp_path, scene).said) == ["deleted 1", "deleted 2"]


def test_names_that_are_no_text_are_told(top: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n\"'")

    async def scene(told: EmitResult) -> None:
        async with told.at_work(trigger(top)):
            (top / name).write_text("x")
            await told.until_told(top / name)

    assert play(tmp_path, scene).changes[0]["path"] == os.path.join(top, name)


def test_several_paths_that_overlap_tell_of_a_file_once(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
        (top / "sub").mkdir()
        async with told.at_work(trigger(top, top / "sub", top / "sub" / "*.txt", top / "**" / "a.txt")):
            (top / "sub" / "a.txt").write_text("x")
            await told.wait_for(1)
            (top / "b").write_text("x")
            await told.wait_for(2)

    assert play(tmp_path, scene).said == ["created a.txt", "created b"]


def test_a_touch_and_a_change_of_the_time_alone_are_modifications(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
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
    async def scene() -> EmitResult:
        state = tmp_path / "state"
        told = EmitResult(state / "triggers" / "job" / "trigger")
        async with told.at_work(trigger(tmp_path, recursive=True)):
            (state / "state.sqlite").write_text("what the daemon writes")
            (tmp_path / "a").write_text("x")
            await told.until_told(tmp_path / "a")
        return told

    assert asyncio.run(scene()).said == ["created a"]


def test_polling_sees_the_same(top: Path, tmp_path: Path) -> None:
    async def scene(told: EmitResult) -> None:
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


def test_all_kinds_of_changes_are_known(top: Path) -> None:
    options: dict[str, Any] = {"paths": [str(top)]}
    assert set(FileTrigger(**options).events) == set(ALL) - {"deleted"}
