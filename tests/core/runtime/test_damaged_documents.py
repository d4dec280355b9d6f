"""A scheduler on a store with damaged documents of runs."""

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from rae_auto import Job, Scheduler
from rae_auto.model import documents
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.run import Run


@pytest.mark.requirement("R21")
@pytest.mark.parametrize(
    ("damage", "is_readable"),
    [("crc = crc + 1", True), ("crc = 1, kind = 'ruo'", True), ("""crc = 1, body = '{"job": "work"}'""", False)],
)
def test_damaged_open_run_is_recorded_as_lost(tmp_path: Path, damage: str, is_readable: bool) -> None:
    hourly = RetryPolicy(attempts=3, delay=timedelta(hours=1))
    job = Job(id="work", shell=f"echo x >> {tmp_path}/ran; exit 1", retry_policy=hourly)

    def open_scheduler() -> Scheduler:
        return Scheduler(directory=tmp_path / "state", jobs=[job])

    async def work() -> Run:
        async with asyncio.timeout(60), open_scheduler() as scheduler:
            await scheduler.trigger("work")
            while True:
                for _, body in await scheduler.runtime.read_store(lambda store: list(store.load(documents.RUN))):
                    if isinstance(body, Mapping) and body.get("state") == "retrying":
                        return documents.load(Run, body)
                await asyncio.sleep(0.01)

    async def go_on() -> list[Run]:
        async with asyncio.timeout(60), open_scheduler() as scheduler:
            [problem] = scheduler.runtime.job_problems
            assert 'job "work" is paused' in problem
            return await scheduler.history()

    run = asyncio.run(work())
    for copy in (tmp_path / "state").glob("*.bak"):
        copy.unlink()
    with closing(sqlite3.connect(tmp_path / "state" / "state.sqlite")) as database, database:
        database.execute(f"UPDATE documents SET {damage} WHERE kind = 'run'")
    database.close()
    (tmp_path / "state" / "state.clean").unlink()
    [lost] = asyncio.run(go_on())
    assert (lost.id, lost.job, str(lost.state)) == (run.id, "work", "lost")
    assert (lost.attempt == run.attempt) == is_readable
    assert (tmp_path / "ran").read_text() == "x\n"
