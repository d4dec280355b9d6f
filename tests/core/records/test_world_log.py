"""The world log, as a simulation reads it."""

from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

from tests.support.control_peer import in_time

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.cli.simulate import _recorded
from rae_auto.offline.project import Project
from rae_auto.records.world_log import read_world_log
from rae_auto.testing.memory_store import MemoryStore

CONFIG = """
[jobs.a]
command = ["false"]

[jobs.b]
command = ["true"]
trigger = { type = "job", jobs = ["a"], on = "failure" }
"""


def test_world_log_has_ends_of_runs_and_firings_of_open_runs(tmp_path):
    a = Job(id="a", command=["true"])
    b = Job(id="b", command=["sleep", "600"], schedule=TriggerRef("job", {"jobs": ["a"]}, "after-a"))

    async def work():
        async with Scheduler(directory=tmp_path, store=MemoryStore(), jobs=[a, b]) as scheduler:
            async with aclosing(scheduler.events()) as events:
                run = await scheduler.trigger("a")
                while not await scheduler.history("b"):
                    await anext(events)
            entries = await scheduler.runtime.read_store(lambda store: read_world_log(store, None, None))
            await scheduler.close(timedelta(0))
            return run, entries

    run, entries = in_time(work)
    assert [one["id"] for one in entries if one.get("name") == "run.succeeded"] == [run]
    assert [(one["job"], one["trigger"]) for one in entries if "trigger" in one] == [("b", "after-a")]


def test_simulation_plays_only_runs_that_ended_before_its_span(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)

    async def work():
        async with Scheduler(directory=tmp_path / "state", jobs=[Job(id="a", command=["false"])]) as scheduler:
            run = await scheduler.wait(await scheduler.trigger("a"))
            return run.finished_at

    ended = in_time(work)
    until = ended + timedelta(days=1)
    assert [one["name"] for one in _recorded(ended + timedelta(seconds=1), until, Project.load(path))] == ["run.failed"]
    assert _recorded(ended, until, Project.load(path)) == []
