"""`why` about a time with thousands of records of the job before and after it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rae_auto import Job, Retention, RunState, Scheduler
from rae_auto.api.store import Append
from rae_auto.explain.engine_source import explain_job
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.job import JobId
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Due, Overlapping
from rae_auto.model.run import Run
from rae_auto.offline.project import Project
from rae_auto.offline.queries import why
from rae_auto.records.state_directory import claim_state_directory
from rae_plugins.stores.sqlite import SqliteStore

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
STEP = timedelta(seconds=40)
COUNT = 6_000


@pytest.fixture(scope="module")
def project_folder(tmp_path_factory: pytest.TempPathFactory):
    """A state directory with runs each forty seconds for days; each third occurrence was skipped."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "rae.toml").write_text('timezone = "UTC"\n[jobs.a]\ncommand = ["true"]\nschedule = "* * * * *"\n')
    (folder / "rae.toml").chmod(0o600)
    store = SqliteStore()
    store.open(claim_state_directory(folder / "state"))
    store.commit([entry_of(number) for number in range(COUNT)])
    store.close()
    return folder


def entry_of(number: int) -> Append:
    at, job, id_ = BEGIN + number * STEP, JobId("a"), RunId(f"{number:026}")
    if number % 3 == 0:
        skip = Decision(job, "cron", at.isoformat(), at, Outcome.SKIP, Overlapping(id_, at), at)
        return Append(documents.DECISIONS, id_, job, skip.reason.code, at, documents.dump(skip))
    times = dict.fromkeys(("scheduled_for", "queued_at", "started_at", "finished_at"), at)
    run = Run(
        id=id_, job=job, trigger="cron", key=at.isoformat(), cause=Due(), state=RunState.SUCCEEDED, attempt=1, **times
    )
    return Append(documents.RUNS, run.id, job, run.state, at, documents.dump(run), at)


@pytest.mark.parametrize("number", [3, 100, 2_999, 3_002, COUNT - 2])
def test_records_of_a_time_are_found_among_thousands(number, project_folder, monkeypatch):
    monkeypatch.setenv("RAE_STATE_DIR", str(project_folder / "state"))
    at = (BEGIN + number * STEP).isoformat()
    answer = why(Project.load(project_folder / "rae.toml"), {"job": "a", "at": at})
    assert (answer["run_id"], answer["reason"]) == ((None, "overlap") if number % 3 == 0 else (f"{number:026}", "due"))

    async def ask_daemon():
        job = Job(id="a", command="true", enabled=False)
        keep = Retention(keep="36500d", keep_failures="36500d", runs=COUNT)
        async with Scheduler(directory=project_folder / "state", jobs=[job], retention=keep) as scheduler:
            return await explain_job(scheduler, "a", at)

    assert asyncio.run(ask_daemon()).answer == answer["answer"]
