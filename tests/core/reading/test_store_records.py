"""Records while no daemon runs: added jobs count too, one that can't be used spoils no other, and each read is one."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.runs import make_run

from rae_auto import Cron, Job, TriggerRef
from rae_auto.api.store import Put
from rae_auto.errors import JobNotFound
from rae_auto.model import documents
from rae_auto.model.job_state import JobState
from rae_auto.model.reasons import InQueue
from rae_auto.model.reasons.requesters import Requester, RequestWay
from rae_auto.model.run import RunState
from rae_auto.offline.project import Project
from rae_auto.reading.store_records import StoreRecords
from rae_auto.records.presence_log import note_start
from rae_auto.views.screens.job_list import load_job_list
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = """
state = "state"

[jobs.written]
command = ["true"]
schedule = "0 6 * * *"

[jobs.off]
command = ["true"]
schedule = "0 6 * * *"
enabled = false
"""
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADDED = Job(id="added", command="true", schedule=Cron("0 7 * * *"))
UNUSABLE = Job(id="unusable", command="true", schedule=TriggerRef("uninstalled"))
REQUESTER = Requester(at=NOON, via=RequestWay.COMMAND_LINE, user="ada")
QUEUE = InQueue("tcp://10.0.0.5:8786", "a worker", NOON)
IN_QUEUE = make_run("added", at=NOON, state=RunState.STARTING, attempt=1, reason=QUEUE)


@pytest.fixture
def records(tmp_path: Path) -> StoreRecords:
    """A configuration, and a store with added jobs."""
    config = tmp_path / "rae.toml"
    config.write_text(CONFIG)
    config.chmod(0o600)
    (tmp_path / "state").mkdir(mode=0o700)
    with closing(SqliteStore()) as store:
        store.open(tmp_path / "state")
        store.commit(
            [
                *(Put(documents.JOB, job.id, documents.dump(job)) for job in (ADDED, UNUSABLE)),
                Put(documents.STATE, ADDED.id, documents.dump(JobState(ADDED.id, added_by=REQUESTER))),
                Put(documents.RUN, IN_QUEUE.id, documents.dump(IN_QUEUE)),
            ]
        )
    return StoreRecords.load(config)


def starting(records: StoreRecords) -> list[str]:
    now = datetime.now(UTC)
    return [start.job for start in asyncio.run(records.starts(None, now, now + timedelta(days=1))).starts]


def test_job_that_cannot_be_used_spoils_no_list_of_starts(records: StoreRecords) -> None:
    assert sorted(starting(records)) == ["added", "written"]


def test_job_that_cannot_be_used_has_a_page(records: StoreRecords) -> None:
    facts = asyncio.run(records.job("unusable"))
    assert facts.definition.id == "unusable"
    assert "uninstalled" in facts.info["problems"][0]
    assert asyncio.run(records.starts("unusable", NOON, NOON + timedelta(days=1))).starts == []


def test_why_of_a_job_that_cannot_be_used_is_its_problem(records: StoreRecords) -> None:
    answer = asyncio.run(records.why("unusable"))["answer"]
    assert answer.startswith("unusable starts nothing: ")
    assert "uninstalled" in answer


def test_why_says_who_added_a_job(records: StoreRecords) -> None:
    facts = asyncio.run(records.why("added"))["facts"]
    assert any("as user ada" in str(fact) for fact in facts), facts


def test_name_of_an_added_job_is_suggested(records: StoreRecords) -> None:
    with pytest.raises(JobNotFound, match='did you mean "added"'):
        asyncio.run(records.why("addet"))


def test_definitions_are_those_of_added_jobs_too(records: StoreRecords) -> None:
    found = [one["definition"]["id"] for one in records.read_definitions()]
    assert found == ["added", "off", "unusable", "written"]


def test_run_in_a_queue_elsewhere_waits(records: StoreRecords) -> None:
    status = asyncio.run(records.status())
    assert ([run["job"] for run in status["waiting"]], status["running"]) == (["added"], [])
    found = asyncio.run(records.jobs())
    assert {job["id"]: job["activity"] for job in found.jobs}["added"] == "queued"


def test_store_is_opened_as_often_for_many_jobs(records: StoreRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, read_store = [], Project.read_store
    monkeypatch.setattr(Project, "read_store", lambda project: opened.append(1) or read_store(project))
    starting(records)
    records.read_definitions()
    assert len(opened) == 2


RUNNING = make_run("written", at=NOON, state=RunState.RUNNING, attempt=1, started_at=NOON, attempt_started_at=NOON)


def test_run_of_a_daemon_that_is_gone_was_running_until_its_newest_record(records: StoreRecords) -> None:
    note_start(records.directory, NOON - timedelta(hours=1))
    with closing(SqliteStore()) as store:
        store.open(records.directory)
        store.commit([Put(documents.RUN, RUNNING.id, documents.dump(RUNNING))])
    status = asyncio.run(records.status())
    assert status["down_since"] == NOON.isoformat()
    [downtime] = asyncio.run(records.world(NOON, NOON + timedelta(minutes=1)))
    assert downtime.since == NOON
    [job] = asyncio.run(load_job_list(records, "written")).rows
    assert (job.activity, job.running_since) == ("was_running", None)
