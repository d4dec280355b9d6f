"""The command rename: another name for an added job, under which all goes on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.offline.project import Project
from rae_auto.offline.queries import stats

CONFIG = """
[jobs.first]
command = ["true"]

[jobs.file-job]
command = ["true"]
timeout = "1h"
"""

ADDED = {"id": "added", "command": ["true"], "priority": "high"}


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path, CONFIG)
    yield daemons
    daemons.end()


@pytest.fixture
def watching(daemons: Daemons, tmp_path: Path) -> dict[str, Any]:
    """A job that watches a folder."""
    (tmp_path / "inbox").mkdir()
    # New files are written on and on, until the trigger is there and fires.
    options = {"paths": [str(tmp_path / "inbox")], "quiet": "100ms", "max_wait": "200ms"}
    watch = {"id": "files", "type": "file", "options": options}
    return {**ADDED, "schedule": [watch]}


def definition(daemons: Daemons, job: str) -> dict[str, object]:
    shown: dict[str, object] = daemons.ask("show", job=job)["definition"]
    return shown


def test_rename_gives_an_added_job_another_name(daemons: Daemons) -> None:
    daemons.serve()
    daemons.ask("add", definition=ADDED)
    before = definition(daemons, "added")
    daemons.ask("pause", job="added")
    daemons.ask("rename", job="added", new="better")
    assert definition(daemons, "better") == {**before, "id": "better", "name": "better"}
    jobs = {job["id"]: job for job in daemons.ask("list")}
    assert jobs.keys() == {"first", "file-job", "better"}
    assert jobs["better"]["paused"]


def test_rename_that_is_refused_changes_nothing(daemons: Daemons) -> None:
    daemons.serve()
    daemons.ask("add", definition=ADDED)
    daemons.ask("add", definition={"id": "needy", "command": ["true"], "needs": ["added"]})
    for job, new, problem in (
        ("first", "other", "is defined in the configuration"),
        ("nosuch", "other", 'no job "nosuch"'),
        ("added", "first", 'the name "first" is taken by a job of the configuration'),
        ("added", "bad name!", "bad name!"),
        ("added", "other", "is needed by"),
    ):
        with pytest.raises(Exception, match=re.escape(problem)):
            daemons.ask("rename", job=job, new=new)
    jobs = {job["id"]: job for job in daemons.ask("list")}
    assert jobs.keys() == {"first", "file-job", "added", "needy"}
    assert not jobs["added"]["paused"]


def test_history_and_what_triggers_kept_follow_a_renamed_job(
    daemons: Daemons, watching: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemons.serve()
    daemons.ask("add", definition=watching)
    run = daemons.ask("trigger", job="added")["run_id"]
    eventually(lambda: daemons.ask("history", job="added", states=["succeeded"]))
    kept = daemons.state / "triggers"
    eventually(lambda: (kept / "added" / "files" / "snapshot.sqlite").exists())
    daemons.ask("rename", job="added", new="better")
    eventually(lambda: (kept / "better" / "files" / "snapshot.sqlite").exists())
    assert not (kept / "added").exists()
    assert [one["run_id"] for one in daemons.ask("history", job="better")] == [run]
    assert daemons.ask("stats", job="better")["runs"] == 1

    def starts_for_a_new_file() -> bool:
        (daemons.home / "inbox" / str(uuid4())).touch()
        return daemons.ask("stats", job="better")["runs"] > 1

    eventually(starts_for_a_new_file)
    daemons.stop()
    monkeypatch.setenv("RAE_STATE_DIR", str(daemons.state))
    assert {one["job"] for one in daemons.history(job="better")} == {"added", "better"}
    assert stats(Project.load(daemons.config), {"job": "better"})["runs"] > 1


def test_crash_amid_a_rename_leaves_what_triggers_kept_to_the_job(daemons: Daemons, watching: dict[str, Any]) -> None:
    daemons.serve()
    daemons.ask("add", definition=watching)
    kept = daemons.state / "triggers"

    def starts_for_a_new_file() -> bool:
        # What was there when the trigger began to watch doesn't count.
        (daemons.home / "inbox" / str(uuid4())).touch()
        return bool(daemons.ask("history", job="added", states=["succeeded"]))

    eventually(starts_for_a_new_file)
    # Each look has made a file, and the run of the last one may be under way.
    eventually(lambda: all(run["finished_at"] for run in daemons.ask("history", job="added")))
    daemons.ask("rename", job="added", new="better")
    eventually(lambda: (kept / "better" / "files" / "snapshot.sqlite").exists())
    daemons.kill()
    # As if the daemon had died after the commit, and before it moved the folder.
    (kept / "better").rename(kept / "added")
    (daemons.home / "inbox" / "while-down").touch()
    daemons.serve()
    eventually(lambda: "better" in {one["job"] for one in daemons.ask("history", states=["succeeded"])})
    assert not (kept / "added").exists()
