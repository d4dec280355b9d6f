"""A store that fails under a daemon that runs: full disks, stores that raise or hang, a second daemon."""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from loguru import logger
from tests.support import disks
from tests.support.daemons import Daemons
from tests.support.disks import fill
from tests.support.waiting import eventually

from rae_auto import Job, Scheduler
from rae_auto.api.plugin import Kind
from rae_auto.api.store import Put, Store
from rae_auto.errors import StoreError
from rae_auto.registry import Registry
from rae_auto.runtime import engine_loop, silence_library
from rae_auto.testing.memory_store import MemoryStore

resource = pytest.importorskip("resource", reason="needs the limits of POSIX")

JOBS = """
[jobs.waiter]
shell = "echo x >> {home}/begun; until [ -e {home}/go ]; do sleep 0.05; done; exit 7"

[jobs.quick]
shell = "echo x >> {home}/quick"
overlap = "allow"

[jobs.due]
shell = "echo x >> {home}/due"
schedule = "* * * * * *"
"""

# Fixtures.
small_disk = disks.small_disk
failing_disk = disks.failing_disk

STORES = pytest.mark.parametrize("kind", ["sqlite", "json"])


def count(path: Path) -> int:
    return len(path.read_text().split()) if path.exists() else 0


def degraded(ours: Daemons) -> list[str]:
    """The problems, where the daemon says that it can't write."""
    status = ours.ask("status")
    return list(status["problems"]) if status["state"] == "degraded" else []


def goes_through(ours: Daemons, heal: Callable[[], None], message: str) -> None:
    """From the moment of harm on: nothing starts, all is told, ends are kept, and `heal` mends everything."""
    # The log, which is on the same disk, fails too.
    problem, *_ = eventually(lambda: degraded(ours))
    assert message in problem
    count_before = count(ours.home / "due")
    with pytest.raises(StoreError, match=message):
        ours.ask("trigger", job="quick")
    (ours.home / "go").touch()
    # Long enough for two instants. What was durable before the harm may just have been starting.
    time.sleep(2.0)
    assert degraded(ours)
    assert count(ours.home / "due") <= count_before + 1
    assert count(ours.home / "quick") == 0
    heal()
    eventually(lambda: ours.ask("status")["state"] == "running")
    [ended] = eventually(lambda: ours.ask("history", job="waiter", states=["failed"]))
    assert ended["exit_code"] == 7
    ours.ask("trigger", job="quick")
    eventually(lambda: count(ours.home / "quick") == 1)
    eventually(lambda: count(ours.home / "due") > count_before)
    assert ours.stop() == 0, ours.output()
    assert ours.whole_output().count("the store can't be written") == 1
    assert "Traceback" not in ours.output()


@pytest.mark.requirement("R22", "R23")
@STORES
def test_a_full_disk_stops_starts_alone_and_is_recovered_from(
    daemons: Callable[..., Daemons], small_disk: Path, kind: str
) -> None:
    ours = daemons(JOBS, f'store = "{kind}"\n', small_disk)
    ours.serve()
    ours.ask("trigger", job="waiter")
    eventually((ours.home / "begun").exists)
    filler = fill(small_disk)
    goes_through(ours, filler.unlink, "o space left on device")


@pytest.mark.requirement("R22")
@STORES
def test_first_start_on_a_full_disk_spoils_no_later_one(small_disk: Path, kind: str) -> None:
    """The disk is full, or becomes full at some moment of the start; then there is space again."""
    make = cast("Callable[[], Store]", Registry().get(Kind.STORE, kind))
    ends = set()
    for free_blocks in range(0, 28, 3):
        state = small_disk / str(free_blocks)
        state.mkdir()
        filler = fill(small_disk)
        os.truncate(filler, filler.stat().st_size - 4096 * free_blocks)
        store = make()
        try:
            store.open(state)
            store.commit([Put("job", "a", {"text": "x" * 200})])
            ends.add("written")
        except StoreError:
            ends.add("refused")
        finally:
            store.close()
        filler.unlink()
        later = make()
        assert not later.open(state)
        later.commit([Put("job", "b", {})])
        later.close()
        shutil.rmtree(state)
    assert ends == {"written", "refused"}


@pytest.mark.requirement("R22", "R23")
@STORES
def test_read_only_disk_starts_nothing_and_lets_the_daemon_stop(
    daemons: Callable[..., Daemons], failing_disk: tuple[Path, Callable[[], None]], kind: str
) -> None:
    disk, fail = failing_disk
    ours = daemons(JOBS, f'store = "{kind}"\nshutdown_grace = "1s"\n', disk / "state")
    ours.serve()
    eventually(lambda: count(ours.home / "due"))
    fail()
    problem, *_ = eventually(lambda: degraded(ours))
    assert "can't be written" in problem
    count_before = count(ours.home / "due")
    with pytest.raises(StoreError, match="can't be written"):
        ours.ask("trigger", job="quick")
    time.sleep(2.0)
    assert count(ours.home / "due") <= count_before + 1
    assert ours.stop() == 1
    assert "the next start checks which runs are still active" in ours.whole_output()
    assert "Traceback" not in ours.output()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.requirement("R22", "R23")
@STORES
def test_files_that_must_not_grow_are_a_full_disk_too_and_cost_no_time(
    daemons: Callable[..., Daemons], kind: str
) -> None:
    ours = daemons(JOBS, f'store = "{kind}"\n')
    process = ours.serve()
    ours.ask("trigger", job="waiter")
    eventually((ours.home / "begun").exists)
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
    eventually(lambda: degraded(ours))
    before, since = cpu_seconds(process.pid), time.monotonic()
    time.sleep(2.0)
    assert cpu_seconds(process.pid) - before < 0.5 * (time.monotonic() - since)
    goes_through(ours, lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard)), "can't be written")


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    logger.enable("rae_auto")
    handler = logger.add(lambda message: lines.append(message.record["message"]), level="ERROR", format="{message}")
    yield lines
    logger.remove(handler)
    silence_library()


class Hanging(MemoryStore):
    """Doesn't come back from a commit or from closing while it hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = Event()
        self.may_go.set()
        self.commits = 0

    def commit(self, changes: Any) -> None:
        self.may_go.wait()
        super().commit(changes)

    def close(self) -> None:
        self.may_go.wait()
        super().close()


QUICK = Job(id="quick", command=["true"])


@pytest.mark.requirement("R35")
def test_hanging_store_is_reported_and_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    monkeypatch.setattr(engine_loop, "SLOW_COMMIT_SECONDS", 0.1)
    store = Hanging()

    async def work() -> None:
        scheduler = Scheduler(directory=tmp_path, store=store, jobs=[QUICK])
        await scheduler.open()
        store.may_go.clear()
        with pytest.raises(StoreError, match="has not answered"):
            await scheduler.trigger("quick")
        assert scheduler.runtime.store_problem
        with pytest.raises(StoreError, match="next start checks which runs are still active"):
            await scheduler.close(timedelta(seconds=1))

    try:
        asyncio.run(asyncio.wait_for(work(), 30))
    finally:
        store.may_go.set()
    assert len([line for line in log if "has not answered" in line]) == 1
    assert not list(tmp_path.glob("output/*.log"))


@pytest.mark.requirement("R35")
def test_a_store_that_hung_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_loop, "SLOW_COMMIT_SECONDS", 0.1)
    store = Hanging()

    async def work() -> None:
        async with Scheduler(directory=tmp_path, store=store, jobs=[QUICK]) as scheduler:
            store.may_go.clear()
            with pytest.raises(StoreError, match="accepted but not saved yet"):
                await scheduler.trigger("quick", request="the same")
            with pytest.raises(StoreError, match="requests are refused"):
                await scheduler.trigger("quick")
            store.may_go.set()
            while scheduler.runtime.store_problem:  # noqa: ASYNC110 - nothing else is told of it
                await asyncio.sleep(0.01)
            # What was asked for once is done once.
            await scheduler.wait(await scheduler.trigger("quick", request="the same"))
            assert len(await scheduler.history()) == 1

    asyncio.run(asyncio.wait_for(work(), 30))


class Raising(MemoryStore):
    """Raises what no store should, once it has been told to."""

    is_broken = False

    def commit(self, changes: Any) -> None:
        if self.is_broken:
            raise KeyError("a bug")
        super().commit(changes)


@pytest.mark.requirement("R35")
def test_failing_store_does_not_stop_the_shutdown(tmp_path: Path, log: list[str]) -> None:
    store = Raising()

    async def work() -> None:
        scheduler = Scheduler(directory=tmp_path, store=store, jobs=[QUICK])
        await scheduler.open()
        store.is_broken = True
        with pytest.raises(StoreError, match="the store failed: KeyError"):
            await scheduler.trigger("quick")
        with pytest.raises(StoreError, match="next start checks which runs are still active"):
            await scheduler.close(timedelta(0))

    asyncio.run(asyncio.wait_for(work(), 30))
    assert len(log) == 1
    assert not list(tmp_path.glob("output/*.log"))


@pytest.mark.requirement("R24")
@STORES
def test_a_second_daemon_names_the_first_also_by_another_path(
    daemons: Callable[..., Daemons], tmp_path: Path, kind: str
) -> None:
    ours = daemons(JOBS, f'store = "{kind}"\n')
    first = ours.serve()
    (tmp_path / "other").symlink_to(ours.state)
    for state in (ours.state, tmp_path / "other"):
        process = ours.launch(state=state)
        assert process.wait(60) == 1
        ours.listening[-1].join()
        [said] = [line for line in ours.lines if line.startswith("rae-auto: ")]
        assert f"in use by process {first.pid}" in said
        ours.lines.clear()
        assert "Traceback" not in ours.output()
    first.terminate()
    assert first.wait(60) == 0


@pytest.mark.requirement("R24")
@STORES
def test_a_job_doesnt_hold_the_lock_of_its_daemon(daemons: Callable[..., Daemons], kind: str) -> None:
    ours = daemons(JOBS, f'store = "{kind}"\n')
    ours.serve()
    ours.ask("trigger", job="waiter")
    eventually((ours.home / "begun").exists)
    ours.kill()
    ours.serve()
    [running] = [run for run in ours.ask("status")["running"] if run["job"] == "waiter"]
    (ours.home / "go").touch()
    eventually(lambda: ours.ask("history", run=running["run_id"])[0]["exit_code"] == 7)
    assert ours.stop() == 0


@pytest.mark.requirement("R20")
def test_a_damaged_sqlite_file_is_replaced_by_its_copy(daemons: Callable[..., Daemons]) -> None:
    ours = daemons(JOBS)
    ours.serve()
    run = ours.ask("trigger", job="quick")["run_id"]
    eventually(lambda: ours.ask("history", run=run)[0]["state"] == "succeeded")
    assert ours.stop() == 0
    damaged = bytearray((ours.state / "state.sqlite").read_bytes())
    damaged[:64] = bytes(64)
    (ours.state / "state.sqlite").write_bytes(damaged)
    ours.serve()
    assert [line for line in ours.lines if "no commit is lost" in line and "WARNING" in line]
    assert ours.ask("history", run=run)[0]["state"] == "succeeded"
    assert [path.read_bytes() for path in ours.state.glob("*.corrupt-*")] == [damaged]
    assert ours.stop() == 0


@pytest.mark.requirement("R20")
def test_torn_journal_costs_its_last_commit_and_is_reported(daemons: Callable[..., Daemons]) -> None:
    ours = daemons(JOBS, 'store = "json"\n')
    ours.serve()
    run = ours.ask("trigger", job="quick")["run_id"]
    eventually(lambda: ours.ask("history", run=run)[0]["state"] == "succeeded")
    ours.kill()
    journal = ours.state / "journal.jsonl"
    torn = journal.read_bytes() + b'{"crc":"0000'
    journal.write_bytes(torn)
    ours.serve()
    assert [line for line in ours.lines if "is incomplete and was cut off" in line and "WARNING" in line]
    assert ours.ask("history", run=run)[0]["state"] == "succeeded"
    assert [path.read_bytes() for path in ours.state.glob("*.corrupt-*")] == [torn]
    assert ours.stop() == 0


ADDED = {
    "id": "added",
    "command": ["true"],
    "overlap": "allow",
    "schedule": [{"id": "each-second", "type": "interval", "options": {"every": "1s"}}],
}


def spoil(ours: Daemons, kind: str, key: str) -> None:
    """Change a document behind the back of the store, of which there is no copy."""
    for copy in ours.state.glob("*.bak"):
        copy.unlink()
    with closing(sqlite3.connect(ours.state / "state.sqlite")) as database, database:
        changed = database.execute(
            "UPDATE documents SET body = replace(body, ':', ': ') WHERE kind = ? AND key = ?", (kind, key)
        )
        assert changed.rowcount == 1


@pytest.mark.requirement("R21")
@pytest.mark.parametrize("what", ["state", "job"])
def test_damage_of_one_job_holds_that_job_alone(daemons: Callable[..., Daemons], what: str) -> None:
    ours = daemons(JOBS)
    ours.serve()
    ours.ask("add", definition=ADDED)
    run = ours.ask("trigger", job="added")["run_id"]
    eventually(lambda: ours.ask("history", run=run)[0]["state"] == "succeeded")
    assert ours.stop() == 0
    spoil(ours, what, "added")
    ours.serve()
    [problem] = ours.ask("status")["problems"]
    assert 'job "added" is paused' in problem
    assert ours.ask("show", job="added")["info"]["activity"] in ("paused", "disabled")
    assert len(list(ours.state.glob("documents.corrupt-*.json"))) == 1
    before = len(ours.ask("history", job="added"))
    eventually(lambda: count(ours.home / "due") >= 2)
    assert len(ours.ask("history", job="added")) == before
    if what == "job":
        ours.ask("add", definition=ADDED, replace=True)
    ours.ask("resume", job="added")
    eventually(lambda: len(ours.ask("history", job="added")) > before)
    assert ours.ask("status")["problems"] == []
    assert ours.stop() == 0
    ours.serve()
    assert ours.ask("status")["problems"] == []
    assert ours.stop() == 0
