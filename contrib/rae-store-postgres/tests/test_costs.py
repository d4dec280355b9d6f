"""Costs that are counts, not times: each bound is what there is today and a little more."""

import asyncio
import gc
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rae_store_postgres.reading import CHUNK_ROWS
from rae_store_postgres.store import PostgresStore

from rae_auto import Job, Scheduler
from rae_auto.api import Put
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.testing.stores import entry

LONG_LEASE = "5m"
"""With which the claim isn't renewed while a test runs."""

ROUND_TRIP_TYPES = b"SQ"
"""Types of messages that a client waits for the answer of: Sync, and a query as text."""

OTHERS = 2
"""Round trips that a claim or the rest of a daemon may need meanwhile."""

LIMIT_SECONDS = 120.0


class Counter:
    """A socket beside the server's, which passes everything on, and counts what is asked."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.round_trips = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one connection says."""
        onward_reader, onward_writer = await asyncio.open_unix_connection(self._target)
        answers = asyncio.create_task(_pass_on(onward_reader, writer))
        try:
            # The first message has no type.
            length = await reader.readexactly(4)
            onward_writer.write(length + await reader.readexactly(int.from_bytes(length) - 4))
            while True:
                head = await reader.readexactly(5)
                self.round_trips += head[:1] in ROUND_TRIP_TYPES
                onward_writer.write(head + await reader.readexactly(int.from_bytes(head[1:]) - 4))
        except asyncio.IncompleteReadError:
            onward_writer.close()
            await answers


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


def count_while(
    make_store: Any, server: Any, directory: Path, work: Callable[[Scheduler], Awaitable[None]]
) -> tuple[int, int]:
    """Return the round trips to the server and the commits of what a scheduler does."""
    name = f".s.PGSQL.{server.port}"

    async def run() -> tuple[int, int]:
        counter = Counter(server.place / name)
        listening = await asyncio.start_unix_server(counter.serve, directory / name)
        dsn = server.dsn().replace(str(server.place), str(directory))
        store = PostgresStore(dsn=dsn, schema="rae_auto", lease=LONG_LEASE)
        # Output of a run that the store doesn't know goes when a daemon first removes what is old.
        claim_state_directory(directory / "state")
        orphan = directory / "state" / "output" / "gone" / "01M8HWC1HXCBS9C8SVD4W3KHMW.1.log"
        orphan.parent.mkdir(parents=True, mode=0o700)
        orphan.touch()
        async with listening, Scheduler(directory=directory / "state", store=store, max_parallel=8) as scheduler:
            await scheduler.add_job(Job(id="command", command="true", overlap="allow", overlap_max=1000))
            await work(scheduler)
            # Within `LIMIT_SECONDS`; nothing else shows that the first removal is over.
            while orphan.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            before = await asyncio.to_thread(count_commits), counter.round_trips
            await work(scheduler)
            after = await asyncio.to_thread(count_commits), counter.round_trips
        return after[1] - before[1], after[0] - before[0]

    def count_commits() -> int:
        ((count,),) = server.execute("SELECT commits FROM rae_auto.claim")
        return int(count)

    make_store()
    with asyncio.Runner() as runner:
        return runner.run(asyncio.wait_for(run(), LIMIT_SECONDS))


@pytest.fixture
def place(server: Any) -> Iterator[Path]:
    """Return a folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="rae-count-") as name:
        yield Path(name)


async def wait_for_ends(scheduler: Scheduler, count: int, begin: Callable[[], Awaitable[object]]) -> None:
    """Return when so many runs have ended after `begin`, by the events: other ways of waiting read the store."""
    events = scheduler.events()
    found = asyncio.ensure_future(anext(events))
    # It listens from now on.
    await asyncio.sleep(0)
    await begin()
    while count:
        event = await found
        count -= event["kind"] == "run" and event["run"]["state"] == "succeeded"
        found = asyncio.ensure_future(anext(events))
    found.cancel()


def test_command_alone_takes_one_round_trip_for_each_of_its_commits(make_store: Any, server: Any, place: Path) -> None:
    count = 10

    async def work(scheduler: Scheduler) -> None:
        for _ in range(count):
            await wait_for_ends(scheduler, 1, lambda: scheduler.trigger("command"))

    round_trips, commits = count_while(make_store, server, place, work)
    # The decision, the start with its handle, and the end; the last two may come together.
    assert 2 * count <= commits <= 3 * count
    assert round_trips <= commits + OTHERS


def test_commands_that_are_due_together_share_commits(make_store: Any, server: Any, place: Path) -> None:
    count = 200

    async def work(scheduler: Scheduler) -> None:
        async def begin() -> None:
            await asyncio.gather(*(scheduler.trigger("command") for _ in range(count)))

        await wait_for_ends(scheduler, count, begin)

    round_trips, commits = count_while(make_store, server, place, work)
    # All decisions share some. Then eight run at a time: an end with the start of the next, and that it has started,
    # are two where the server is faster than the commands, and fewer where it is slower.
    assert commits <= 2 * count
    assert round_trips <= commits + OTHERS


BODY = {"text": "x" * 300}


@pytest.fixture
def store(make_store: Any, tmp_path: Path) -> Iterator[PostgresStore]:
    """Return a store that is open."""
    store: PostgresStore = make_store(lease=LONG_LEASE)
    store.open(tmp_path)
    yield store
    store.close()


def trace_peak(work: Callable[[], object]) -> int:
    """Return the bytes that are in use at most."""
    # What is made once, such as a connection, is made before.
    work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_documents_are_in_memory_a_chunk_at_a_time(store: PostgresStore) -> None:
    chunks = 10
    store.commit([Put("job", f"job{number:05}", BODY) for number in range(chunks * CHUNK_ROWS)])
    peak = trace_peak(lambda: sum(1 for _ in store.load("job")))
    # Some 800 bytes each. All at once they would be ten times as many.
    assert peak <= 5 * CHUNK_ROWS * 800, f"{peak / CHUNK_ROWS:.0f} bytes for each of a chunk"


def test_change_of_a_commit_takes_few_bytes(store: PostgresStore) -> None:
    changes = [Put("job", f"job{number:05}", BODY) for number in range(2_000)]
    peak = trace_peak(lambda: store.commit(changes))
    assert peak / len(changes) <= 1_700, f"{peak / len(changes):.0f} bytes"


def test_keys_of_many_runs_are_one_round_trip(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.commit([entry(number, key=f"{number:03}") for number in range(100)])
    asked, fetch = [], asyncpg.Connection.fetch

    async def count(connection: Any, statement: str, *arguments: Any) -> Any:
        asked.append(statement)
        return await fetch(connection, statement, *arguments)

    monkeypatch.setattr(asyncpg.Connection, "fetch", count)
    for reader in (store, store.make_reader()):
        asked.clear()
        assert reader.find_keys("runs", [f"{number:03}" for number in range(0, 200, 2)]) == {
            f"{number:03}" for number in range(0, 100, 2)
        }
        assert len(asked) == 1
