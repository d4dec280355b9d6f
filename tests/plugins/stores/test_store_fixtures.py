"""Stores that were written by released versions, opened by this one."""

import asyncio
import shutil
from pathlib import Path

import pytest

from rae_auto.api import Store
from rae_auto.api.store import LogQuery
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.run import Run, RunState
from rae_auto.runtime.repository import Repository
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.sqlite import SqliteStore

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.requirement("R27")
@pytest.mark.parametrize(("name", "store"), [("sqlite-1", SqliteStore()), ("json-1", JsonStore())])
def test_store_of_an_earlier_version_can_be_read(tmp_path: Path, name: str, store: Store) -> None:
    shutil.copytree(FIXTURES / name, tmp_path / name)

    async def work() -> None:
        archive = Repository(store)
        assert list(await archive.open(tmp_path / name)) == []
        [job], _ = await archive.load(documents.JOB, Job)
        [state], _ = await archive.load(documents.STATE, JobState)
        [opened], _ = await archive.load(documents.RUN, Run)
        [seen], _ = await archive.load(documents.SEEN, SeenOccurrence)
        [past] = await archive.runs(LogQuery())
        [decision] = await archive.decisions(LogQuery())
        await archive.close()
        assert {job.id, state.job, opened.job, seen.job, past.job, decision.job} == {"backup"}
        assert job.schedule[0].options == {"every": "1h"}
        assert (past.state, past.exit_code, opened.state) == (RunState.FAILED, 3, RunState.QUEUED)
        assert seen.run == past.id
        assert set(state.cursors) == {"hourly"}

    asyncio.run(work())
