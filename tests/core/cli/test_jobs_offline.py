"""rae-auto list and show while no daemon runs: jobs of the configuration and those that were added."""

import asyncio
import os
from contextlib import closing
from datetime import UTC, datetime
from unittest.mock import AsyncMock

import pytest

from rae_auto import Cron, Job, Scheduler
from rae_auto.api import Put
from rae_auto.daemon.commands import Commands
from rae_auto.model import documents
from rae_auto.model.job_state import JobState
from rae_auto.model.run import RunState
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = """
timezone = "Europe/Berlin"
[jobs.digest]
command = ["digest"]
schedule = "0 18 * * *"
[jobs.off]
command = ["off"]
schedule = "0 18 * * *"
enabled = false
[jobs.both]
command = ["of the file"]
"""
NO_DAEMON = "rae-auto: no daemon is running; 'rae-auto run' starts one\n"


@pytest.fixture
def store(tmp_path):
    """A store with an added job, one that the configuration hides, and the state of a job."""
    (tmp_path / "state").mkdir(mode=0o700, exist_ok=True)
    jobs = [Job(id="added", command="true", schedule=Cron("0 7 * * *")), Job(id="both", command="added")]
    ended = datetime(2026, 11, 27, 18, tzinfo=UTC)
    states = [
        JobState("digest", last_state=RunState.FAILED, last_finished_at=ended, failures=2),
        JobState("added", paused=True),
    ]
    with closing(SqliteStore()) as store:
        store.open(tmp_path / "state")
        store.commit(
            [
                *(Put(documents.JOB, job.id, documents.dump(job)) for job in jobs),
                *(Put(documents.STATE, state.job, documents.dump(state)) for state in states),
            ]
        )


@pytest.mark.usefixtures("config")
def test_list_without_a_store_shows_the_configuration(offline):
    said = offline("list", "--json")
    assert (said.code, said.err) == (0, NO_DAEMON)
    assert [(job["id"], job["activity"], job["next_at"] is None) for job in said.json] == [
        ("both", "idle", True),
        ("digest", "idle", False),
        ("off", "disabled", True),
    ]


@pytest.mark.usefixtures("config", "store")
def test_list_shows_added_jobs_and_states(offline):
    jobs = {job["id"]: job for job in offline("list", "--json").json}
    assert {name: job["origin"] for name, job in jobs.items()} == {
        "added": "store",
        "both": "config",
        "digest": "config",
        "off": "config",
    }
    assert (jobs["digest"]["last_state"], jobs["digest"]["failures"]) == ("failed", 2)
    assert (jobs["added"]["activity"], jobs["added"]["next_at"]) == ("paused", None)


@pytest.mark.usefixtures("config", "store")
def test_show_shows_added_jobs_and_prefers_the_file(offline):
    assert offline("show", "added", "--json").json["definition"]["command"] == ["true"]
    assert offline("show", "both", "--json").json["definition"]["command"] == ["of the file"]
    said = offline("show", "dijest")
    assert (said.code, said.out) == (1, "")
    assert 'did you mean "digest"?' in said.err


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")
def test_show_has_the_last_run_with_or_without_a_daemon(config, offline, tmp_path):
    (tmp_path / "work.py").write_text("def count():\n    return {'rows': 3}\n")
    job = Job(id="digest", python="work:count", isolated=True, directory=str(tmp_path))

    async def work():
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state", jobs=[job]) as scheduler:
            run = await scheduler.wait(await scheduler.trigger("digest"))
            commands = Commands(scheduler, None, AsyncMock(), AsyncMock(), list)
            return run.id, (await commands.show({"job": "digest"}))["last"]

    run, last = asyncio.run(work())
    assert (last["run_id"], last["value"]) == (run, {"rows": 3})
    assert offline("show", "digest", "--json").json["last"] == last
    assert 'returned  {"rows": 3}\n' in offline("show", "digest").table
    assert offline("show", "off", "--json").json["last"] is None


@pytest.mark.usefixtures("config")
def test_list_shows_a_run_that_outlived_its_daemon(offline, tmp_path):
    async def leave_a_run():
        job = Job(id="both", command=["sleep", "60"])
        async with asyncio.timeout(30), Scheduler(directory=tmp_path / "state", jobs=[job]) as scheduler:
            run = await scheduler.trigger("both")
            while (await scheduler.get_job_status("both")).activity != "running":  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.01)
            await scheduler.close(leave_running=True)
            return str(run)

    async def end_it():
        async with asyncio.timeout(30), Scheduler(directory=tmp_path / "state") as scheduler:
            await scheduler.cancel("both")

    run = asyncio.run(leave_a_run())
    listed = {job["id"]: job for job in offline("list", "--json").json}
    asyncio.run(end_it())
    assert (listed["both"]["activity"], listed["both"]["open"]) == ("was_running", [run])
    assert listed["digest"]["activity"] == "idle"


def test_job_with_an_error_is_not_said_to_be_missing(offline, config):
    config.write_text('[jobs.good]\ncommand = ["true"]\n[jobs.bad]\ncommand = "two words"\n')
    said = offline("show", "bad")
    assert said.code == 1
    assert f"no valid job \"bad\" in {config}, which has errors; 'rae-auto check' shows them" in said.err
