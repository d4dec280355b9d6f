"""Costs that are counts, not times: they are the same on every machine, so a test can hold them.

Each bound is what there is today and a little more. Who exceeds one has made every command, start or job more
expensive, and either finds a way without or raises the bound with a reason in the commit.
"""

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.benchmarks.subjects import starts

from rae_auto import Job, Once, Scheduler
from rae_auto.api.store import Change
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.model.primitives.instants import Moment
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_plugins.stores.sqlite import SqliteStore

COUNTED_COMMAND = """
import sys
from rae_auto.cli.entry import main
sys.argv = ["rae-auto", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(len(sys.modules), file=sys.stderr)
"""


class CountingStore(SqliteStore):
    """The SQLite store, which counts its commits: each is one `fsync` of the write-ahead log."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    def commit(self, changes: Sequence[Change]) -> None:
        """Commit, and count it."""
        self.commits += 1
        super().commit(changes)


@pytest.mark.parametrize(("command", "most"), [("--version", 75), ("--help", 200), ("status", 190), ("history", 510)])
def test_command_imports_few_modules(command: str, most: int, tmp_path: Path) -> None:
    variables = {**os.environ, "RAE_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COUNTED_COMMAND, command], capture_output=True, text=True, cwd=tmp_path, env=variables
    )
    assert int(done.stderr.splitlines()[-1]) <= most


def test_one_run_alone_takes_three_commits(tmp_path: Path) -> None:
    async def run() -> int:
        store = CountingStore()
        async with Scheduler(directory=tmp_path, store=store) as scheduler:
            await scheduler.add_job(Job(id="a", python="time:time"))
            before = store.commits
            await scheduler.wait(await scheduler.trigger("a"))
            return store.commits - before

    # The decision, the start with its handle, and the end; the last two may come together.
    assert asyncio.run(run()) in (2, 3)


def test_starts_that_are_due_together_share_commits(tmp_path: Path) -> None:
    size = 1_000

    async def run() -> int:
        store = CountingStore()
        async with Scheduler(directory=tmp_path, store=store, max_parallel=size) as scheduler:
            due = datetime.now(UTC) + timedelta(seconds=3)
            noting = f"{starts.__name__}:note"
            await scheduler.add_jobs(Job(id=f"j{n}", python=noting, schedule=Once(due)) for n in range(size))
            before = store.commits
            async with asyncio.timeout(120):
                async for event in scheduler.events():
                    if event["kind"] == "run" and len(starts.AT) >= size:
                        break
            return store.commits - before

    # One by one they would be 1,000; on a slow machine some of the first have been started before all are decided.
    assert asyncio.run(run()) <= size / 20


def test_kept_job_takes_few_bytes() -> None:
    size = 2_000
    plugins = PluginFactory(Registry(), "Europe/Berlin")

    def plan(number: int) -> Plan:
        job = Job(name=f"job-{number}", command="true", schedule=f"{number % 60} {number % 24} * * *")
        return plugins.plan(job, JobOrigin.STORE).plan

    kept = [plan(number) for number in range(size)]
    del kept
    gc.collect()
    tracemalloc.start()
    try:
        engine, now = Engine(), Moment(datetime(2026, 3, 1, tzinfo=UTC), 0.0)
        plans = [plan(number) for number in range(size)]
        engine.handle(Restored(Settings(8), tuple(plans)), now)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / size <= 2_400, f"{used / size:.0f} bytes"
