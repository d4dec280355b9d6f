"""A scheduler on a store in which a crash has left a list of starts, whole or damaged."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rae_auto import Job, Once, Scheduler
from rae_auto.api.store import LogQuery
from rae_auto.model import documents
from rae_auto.runtime.concurrency.listed_starts import MIN_STARTS

CALLS: list[str] = []
MAY_END = threading.Event()


def work(name: str) -> None:
    CALLS.append(name)
    MAY_END.wait(60)


@pytest.fixture(autouse=True)
def calls() -> Iterator[None]:
    CALLS.clear()
    MAY_END.clear()
    yield
    MAY_END.set()


@pytest.mark.requirement("R2")
@pytest.mark.parametrize("is_damaged", [False, True])
def test_what_a_list_says_has_started_does_not_start_again(tmp_path: Path, is_damaged: bool) -> None:
    ids = [f"job-{number}" for number in range(MIN_STARTS)]

    async def start_all() -> None:
        async with Scheduler(directory=tmp_path / "state", max_parallel=MIN_STARTS) as scheduler:
            due = Once(datetime.now(UTC) + timedelta(seconds=3))
            await scheduler.add_jobs(
                Job(id=name, python=f"{__name__}:work", args=(name,), schedule=due) for name in ids
            )
            while len(CALLS) < MIN_STARTS:  # noqa: ASYNC110 - nothing else tells it
                await asyncio.sleep(0.01)
            assert len(await scheduler.runtime.read_store(lambda store: list(store.load(documents.STARTS)))) == 1
            shutil.copytree(tmp_path / "state", tmp_path / "crashed")
            MAY_END.set()

    async def go_on() -> tuple[int, list[str]]:
        async with Scheduler(directory=tmp_path / "crashed", max_parallel=MIN_STARTS) as scheduler:
            assert not await scheduler.runtime.read_store(lambda store: list(store.load(documents.STARTS)))
            runs = await scheduler.history()
            decided = [decision.reason.code for decision in await scheduler.runtime.decisions(LogQuery())]
            return sum(str(run.state) == "lost" for run in runs), decided

    asyncio.run(start_all())
    if is_damaged:
        for copy in (tmp_path / "crashed").glob("*.bak"):
            copy.unlink()
        with closing(sqlite3.connect(tmp_path / "crashed" / "state.sqlite")) as database, database:
            database.execute("UPDATE documents SET crc = crc + 1 WHERE kind = 'starts'")
    lost, skips = asyncio.run(go_on())
    assert sorted(CALLS) == sorted(ids)
    assert (lost, len(skips)) == (MIN_STARTS, MIN_STARTS if is_damaged else 0)
