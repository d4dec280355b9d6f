"""The file trigger on real files."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support import file_watching
from tests.support.file_watching import ALL, FileListener, event_of, find_repeated, has_scanned, run_scene, trigger

from rae_auto.testing.sources import WAIT_TIMEOUT_SECONDS, Listener, RealTimer, SourceConformance
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
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not has_scanned(listener.directory):  # noqa: ASYNC110 - a file tells
                await asyncio.sleep(0.02)

    async def provoke(self, listener: Listener, number: int) -> None:
        (self.top / f"{number}.txt").write_text("x")


def test_file_module_offers_one_trigger() -> None:
    assert rae_triggers() == [FileTrigger]


def test_file_trigger_reports_every_kind_of_change(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            file = top / "a"
            file.write_text("1")
            await listener.wait_for(1)
            file.write_text("12")
            await listener.wait_for(2)
            file.rename(top / "b")
            await listener.wait_for(3)
            (top / "b").unlink()
            await listener.wait_for(4)

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == ["created a", "modified a", "moved b", "deleted b"]
    assert listener.changes[2]["from"] == str(top / "a")
    assert [event_of(occurrence)["origin"] for occurrence in listener.occurrences] == ["watch"] * 4
    assert all(occurrence.at is not None for occurrence in listener.occurrences)


def test_file_trigger_reports_only_the_chosen_events(top: Path, tmp_path: Path) -> None:
    """A move is then reported as a deletion and a creation."""

    async def scene(listener: FileListener) -> None:
        (top / "old").write_text("x")
        async with listener.running(trigger(top, events=["created"])):
            (top / "old").write_text("xy")
            (top / "new").write_text("x")
            await listener.wait_for(1)
            (top / "new").rename(top / "moved")
            (top / "old").unlink()
            await listener.wait_for(2)

    assert run_scene(tmp_path, scene).summaries == ["created new", "created moved"]


@pytest.mark.requirement("R36")
@pytest.mark.parametrize("batch", ["all", "each"])
def test_file_moved_away_and_back_is_another_change(top: Path, tmp_path: Path, batch: str) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, batch=batch)):
            (top / "a").write_text("1")
            await listener.wait_for(1)
            for count in (1, 3):
                (top / "a").rename(tmp_path / "away")
                await listener.wait_for(count + 1)
                (tmp_path / "away").rename(top / "a")
                await listener.wait_for(count + 2)

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == ["created a", "deleted a", "created a", "deleted a", "created a"]
    assert len({occurrence.key for occurrence in listener.occurrences}) == 5


def test_burst_is_one_occurrence(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, quiet="300ms")):
            for number in range(100):
                (top / f"{number:03}").write_text("x")
            await listener.wait_for(1)

    (occurrence,) = run_scene(tmp_path, scene).occurrences
    assert event_of(occurrence)["count"] == 100
    assert event_of(occurrence)["paths"] == [str(top / f"{number:03}") for number in range(100)]


def test_batch_each_gives_every_file_an_occurrence(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, batch="each")):
            for number in range(120):
                (top / f"{number:03}").write_text("x")
            await listener.wait_for(120)

    listener = run_scene(tmp_path, scene)
    assert {event_of(occurrence)["count"] for occurrence in listener.occurrences} == {1}
    assert len({occurrence.key for occurrence in listener.occurrences}) == 120


@pytest.mark.parametrize(("initial", "said"), [(True, ["created old", "created new"]), (False, ["created new"])])
def test_initial_reports_files_that_exist_at_first_start(
    top: Path, tmp_path: Path, initial: bool, said: list[str]
) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "old").write_text("x")
        for name in (None, "new"):
            async with listener.running(trigger(top, initial=initial)):
                if name is not None:
                    (top / name).write_text("x")
                    await listener.wait_for_changes(top / name)

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == said
    if initial:
        assert event_of(listener.occurrences[0])["origin"] == "initial"


def test_unmatched_and_ignored_files_are_not_reported(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top / "*.txt", ignore=["draft*"])):
            for name in ("a.pdf", "draft.txt", "sub/a.txt", "a.txt"):
                (top / name).parent.mkdir(exist_ok=True)
                (top / name).write_text("x")
            await listener.wait_for_changes(top / "a.txt")

    assert run_scene(tmp_path, scene).summaries == ["created a.txt"]


def test_files_in_new_and_moved_directories_are_reported(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, recursive=True)):
            (top / "a" / "b").mkdir(parents=True)
            (top / "a" / "b" / "file").write_text("x")
            await listener.wait_for(1)
            (top / "a").rename(top / "c")
            await listener.wait_for(2)
            (top / "c" / "b" / "later").write_text("x")
            await listener.wait_for(3)
            (top / "c").rename(tmp_path / "out")
            await listener.wait_for(4)
            (tmp_path / "out" / "b" / "unseen").write_text("x")
            (tmp_path / "out").rename(top / "back")
            await listener.wait_for(5)

    listener = run_scene(tmp_path, scene)
    assert listener.summaries[:3] == ["created file", "moved file", "created later"]
    assert sorted(listener.summaries[3:5]) == ["deleted file", "deleted later"]
    assert sorted(listener.summaries[5:]) == ["created file", "created later", "created unseen"]


def test_deleted_directory_is_reported_file_by_file(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "a" / "b").mkdir(parents=True)
        for name in ("a/1", "a/b/2"):
            (top / name).write_text("x")
        async with listener.running(trigger(top, recursive=True, quiet="300ms")):
            shutil.rmtree(top / "a")
            await listener.wait_for_changes(top / "a/1", top / "a/b/2")

    assert sorted(run_scene(tmp_path, scene).summaries) == ["deleted 1", "deleted 2"]


def test_names_that_are_not_utf8_are_reported(top: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n\"'")

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            (top / name).write_text("x")
            await listener.wait_for_changes(top / name)

    assert run_scene(tmp_path, scene).changes[0]["path"] == os.path.join(top, name)


def test_overlapping_paths_report_a_file_once(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "sub").mkdir()
        async with listener.running(trigger(top, top / "sub", top / "sub" / "*.txt", top / "**" / "a.txt")):
            (top / "sub" / "a.txt").write_text("x")
            await listener.wait_for(1)
            (top / "b").write_text("x")
            await listener.wait_for(2)

    assert run_scene(tmp_path, scene).summaries == ["created a.txt", "created b"]


def test_touch_and_changed_mtime_are_modifications(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        (top / "a").write_text("x")
        async with listener.running(trigger(top)):
            os.utime(top / "a", (1, 1))
            await listener.wait_for(1)
            os.utime(top / "a")
            await listener.wait_for(2)
            (top / "a").chmod(0o600)
            (top / "b").write_text("x")
            await listener.wait_for(3)

    assert run_scene(tmp_path, scene).summaries == ["modified a", "modified a", "created b"]


def test_state_directory_is_never_watched(tmp_path: Path) -> None:
    async def scene() -> FileListener:
        state = tmp_path / "state"
        listener = FileListener(state / "triggers" / "job" / "trigger")
        async with listener.running(trigger(tmp_path, recursive=True)):
            (state / "state.sqlite").write_text("what the daemon writes")
            (tmp_path / "a").write_text("x")
            await listener.wait_for_changes(tmp_path / "a")
        return listener

    assert asyncio.run(scene()).summaries == ["created a"]


def test_polling_reports_the_same_changes(top: Path, tmp_path: Path) -> None:
    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, polling="always", recursive=True)):
            (top / "sub").mkdir()
            (top / "sub" / "a").write_text("1")
            await listener.wait_for(1)
            (top / "sub" / "a").rename(top / "b")
            await listener.wait_for(2)
            shutil.rmtree(top)
            await listener.wait_for(3)
            os.mkdir(top)
            (top / "c").write_text("1")
            await listener.wait_for(4)

    listener = run_scene(tmp_path, scene)
    assert listener.summaries == ["created a", "moved b", "deleted b", "created c"]
    assert find_repeated(listener) == []


def test_file_trigger_knows_every_kind_of_change(top: Path) -> None:
    options: dict[str, Any] = {"paths": [str(top)]}
    assert set(FileTrigger(**options).events) == set(ALL) - {"deleted"}
