"""The cost of each page in counts, which hold on any machine: connections, questions and records read.

The numbers don't grow with the history, but for the trends of one job, and hardly with the jobs; times are a matter of
the benchmark `pages`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from tests.benchmarks.measuring import histories

from rae_auto import Job, Retention, RunState, Scheduler
from rae_auto.api.store import CountQuery, Document, EntryCount, LogQuery, Put, StoreReader
from rae_auto.daemon.commands import Commands
from rae_auto.daemon.control_server import ControlServer
from rae_auto.model import documents
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.reading.daemon_records import DaemonRecords
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.screens import (
    RecordSource,
    describe_skips,
    load_day_grid,
    load_digest,
    load_job_list,
    load_job_page,
    load_month,
    load_overview,
    load_run_page,
    load_timeline,
    load_why_page,
)
from rae_plugins.stores.sqlite import SqliteStore

RUNS, JOBS, FAILED_JOBS = 4_000, 12, 10
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDDLE = histories.START + timedelta(seconds=20 * RUNS // 2)


@define
class Costs:
    """The counts so far."""

    questions: int = 0
    connections: int = 0
    records: int = 0


@define(eq=False)
class CountingReader(StoreReader):
    """A reader that counts the records that it reads."""

    reader: StoreReader

    def load(self, kind: str) -> Any:
        return self.reader.load(kind)

    def query(self, log: str, query: LogQuery) -> list[Document]:
        found = self.reader.query(log, query)
        CountingStore.costs.records += len(found)
        return found

    def count(self, log: str, query: CountQuery) -> list[EntryCount]:
        return self.reader.count(log, query)

    def session(self) -> AbstractContextManager[None]:
        return self.reader.session()


class CountingStore(SqliteStore):
    """The SQLite store with counting readers."""

    costs = Costs()

    def make_reader(self) -> StoreReader | None:
        reader = super().make_reader()
        return None if reader is None else CountingReader(reader)


class CountingServer(ControlServer):
    """The server of a daemon, which counts the connections that ask something."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        CountingStore.costs.connections += 1
        await super()._serve(reader, writer)


def counted(command: Callable[[Mapping[str, Any]], Awaitable[Any]]) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
    """Return a command that counts how often it is asked."""

    async def answer(arguments: Mapping[str, Any]) -> Any:
        CountingStore.costs.questions += 1
        return await command(arguments)

    return answer


def fill_store(place: Path) -> Path:
    """Make a store of some thousand runs, whose first jobs failed last."""
    claim_state_directory(place)
    store = histories.fill(place, RUNS, JOBS)
    failed = [
        JobState(job=JobId(f"job-{number}"), last_state=RunState.FAILED, last_run=RunId(f"{number:026}"), failures=1)
        for number in range(FAILED_JOBS)
    ]
    store.commit([Put(documents.STATE, state.job, documents.dump(state)) for state in failed])
    store.close()
    return place


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[DaemonRecords]:
    """Serve the store as a daemon does, and yield the records of it as a page reads them."""
    jobs = [Job(name=f"job-{number}", command="true", schedule="0 5 * * *") for number in range(JOBS)]
    long = Retention(keep="36500d", keep_failures="36500d", runs=RUNS)
    store = CountingStore()
    async with Scheduler(directory=directory, store=store, jobs=jobs, retention=long, enabled=False) as scheduler:

        async def reload() -> Any:
            return {}

        table = Commands(scheduler, None, reload, scheduler.stop, list).table()
        server = CountingServer({name: counted(command) for name, command in table.items()})
        await server.start(directory / "control.sock")
        source = await DaemonRecords.connect(directory)
        source.now = lambda: MIDDLE  # type: ignore[method-assign]
        yield source
        await source.close()
        server.retire()
        await server.close()


PAGES: Mapping[str, tuple[Callable[[RecordSource], Awaitable[Any]], Sequence[int]]] = {
    "overview": (load_overview, (2, 5, 50)),
    "timeline": (lambda source: load_timeline(source, MIDDLE - HOUR, MIDDLE + HOUR), (2, 5, 650)),
    "month": (lambda source: load_month(source, MIDDLE.year, MIDDLE.month), (1, 2, 0)),
    "day": (lambda source: load_day_grid(source, MIDDLE.date()), (2, 10, 300)),
    "jobs": (load_job_list, (2, 4, 1_000)),
    "skips of jobs": (lambda source: describe_skips(source, [f"job-{number}" for number in range(JOBS)]), (2, 3, 24)),
    "job": (lambda source: load_job_page(source, "job-7"), (1, 7, 500)),
    "job again": (lambda source: load_job_page(source, "job-7"), (1, 7, 160)),
    "run": (lambda source: load_run_page(source, f"{1007:026}"), (2, 4, 120)),
    "why": (lambda source: load_why_page(source, "job-7"), (1, 1, 60)),
    "digest": (lambda source: load_digest(source, MIDDLE - DAY, MIDDLE), (1, 2, 1_400)),
}
"""Each page with its reading, and the most connections, questions and records that it takes."""


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[int]]:
    """The cost of each page, the second time, when the starts to come are known."""
    directory = fill_store(tmp_path_factory.mktemp("costs"))

    async def measure() -> dict[str, Sequence[int]]:
        taken = {}
        async with serving(directory) as source:
            async with asyncio.timeout(30):
                # A thread computes them, and has no event.
                while (await load_month(source, MIDDLE.year, MIDDLE.month)).is_pending:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            for page, (load, _) in PAGES.items():
                CountingStore.costs = found = Costs()
                await load(source)
                taken[page] = (found.connections, found.questions, found.records)
        return taken

    return asyncio.run(measure())


@pytest.mark.parametrize("page", PAGES)
def test_page_takes_few_questions_and_records(page: str, costs: Mapping[str, Sequence[int]]) -> None:
    taken, (_, most) = costs[page], PAGES[page]
    assert all(one <= limit for one, limit in zip(taken, most, strict=True)), f"took {taken}, may take {most}"
