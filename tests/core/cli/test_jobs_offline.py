"""rae-auto list and show while no daemon runs: jobs of the configuration and those that were added."""

from contextlib import closing
from datetime import UTC, datetime

import pytest

from rae_auto import Cron, Job
from rae_auto.api import Put
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
def config(tmp_path, monkeypatch):
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return path


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
