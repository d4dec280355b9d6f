"""Costs that are counts, not times: they are the same on every machine, so a test can hold them.

Each bound is what there is today and a little more. Who exceeds one has made every command, start or job more
expensive, and either finds a way without or raises the bound with a reason in the commit.
"""

import asyncio
import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.subjects import starts
from tests.support.daemons import Daemons

from rae_auto import Job, Once, Scheduler
from rae_auto.api.store import Change
from rae_auto.config import load as load_config
from rae_auto.engine.effects import Save
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored
from rae_auto.engine.plan import JobOrigin, Settings
from rae_auto.engine.time.cursors import digest_of
from rae_auto.model import documents
from rae_auto.model.job_state import Cursor, JobState, RunTotal
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons.requesters import Requester, RequestWay
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime.repository import encode
from rae_plugins.stores.sqlite import SqliteStore
from rae_plugins.triggers.cron import CronTrigger

COUNTED_COMMAND = """
import os, sys
before = set(sys.modules)
from rae_auto.cli.entry import main
os._exit = sys.exit
sys.argv = ["rae-auto", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(*sorted(set(sys.modules) - before), file=sys.stderr)
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


ANSWERS = {
    "history": [],
    "status": {
        **dict.fromkeys(("problems", "failed", "overdue", "running", "waiting", "paused", "skips", "next"), ()),
        "state": "running",
        "enabled": True,
        "jobs": 0,
        "disabled": (),
        "config": None,
        "version": "1",
        "pid": 1,
        "started_at": "2026-11-29T00:00:00+00:00",
        "state_directory": "/",
        "pauses": {},
    },
}
"""Answers of a daemon that has nothing to do."""


@pytest.fixture(params=[None])
def state(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The state directory of a daemon that answers, but does nothing else; its parameter is the daemon's time zone."""
    answers = {**ANSWERS, "ping": {"config": None, "timezone": request.param}}
    path = tmp_path / "state"
    path.mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path / "control.sock"))
    listening.listen()

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, connection.makefile("rwb", buffering=0) as lines:
                    for line in lines:
                        result = answers[json.loads(line)["command"]]
                        lines.write(json.dumps({"id": 1, "result": result}).encode() + b"\n")

    answering = threading.Thread(target=answer)
    answering.start()
    yield path
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    answering.join()


SLOW_TO_IMPORT = {
    "--help": {"datetime", "json", "pathlib", "socket", "zoneinfo"},
    "status": {"dataclasses", "hashlib", "importlib.metadata", "typing", "urllib.parse", "zoneinfo"},
    "history": {"dataclasses", "hashlib", "importlib.metadata", "typing", "urllib.parse", "zoneinfo"},
}
"""Modules of the standard library without which these commands take a twentieth less time, each of them."""


@pytest.mark.parametrize(("command", "most"), [("--version", 7), ("--help", 62), ("status", 90), ("history", 90)])
def test_command_imports_few_modules(command: str, most: int, state: Path, tmp_path: Path) -> None:
    variables = {**os.environ, "RAE_STATE_DIR": str(state), "HOME": str(tmp_path), "COVERAGE_PROCESS_START": ""}
    code = [sys.executable, "-c", COUNTED_COMMAND, command]
    done = subprocess.run(code, capture_output=True, text=True, cwd=tmp_path, env=variables)
    *said, modules = done.stderr.splitlines()
    assert said == (["rae-auto: no runs on record"] if command == "history" else [])
    assert done.stdout if command != "history" else not done.stdout
    assert not SLOW_TO_IMPORT.get(command, set()) & {*modules.split()}
    assert len(modules.split()) <= most, modules


@pytest.mark.parametrize(
    ("state", "machine", "shown", "spared"),
    [("UTC", "Asia/Tokyo", "00:00:00 UTC", "zoneinfo"), ("Europe/Berlin", "UTC", "01:00:00 CET", "typing")],
    indirect=["state"],
)
def test_time_in_another_zone_needs_little(state: Path, machine: str, shown: str, spared: str, tmp_path: Path) -> None:
    variables = {**os.environ, "RAE_STATE_DIR": str(state), "HOME": str(tmp_path), "TZ": machine}
    code = [sys.executable, "-c", COUNTED_COMMAND, "status"]
    done = subprocess.run(code, capture_output=True, text=True, cwd=tmp_path, env=variables)
    assert shown in done.stdout
    assert spared not in done.stderr.split()


IDLE_CONFIG = """
[jobs.weekly]
shell = "true"
schedule = "0 6 * * mon"
"""

UNUSED_BY_DAEMON = (
    *("ssl", "_ssl", "hashlib", "_hashlib", "hmac", "email", "zipfile", "importlib.metadata", "difflib"),
    *("pickle", "multiprocessing.reduction", "decimal", "bz2", "lzma", "croniter", "dateutil"),
    *("ast", "ipaddress", "locale", "numbers", "random", "tempfile", "urllib.parse", "uuid"),
    *("rae_auto.runtime.sharing.membership", "rae_auto.model.primitives.local_times", "rae_auto.views.status"),
    *("rae_auto.daemon.answers.screen_commands", "rae_auto.views.jobs", "rae_auto.runtime.pattern_runner"),
    *("rae_auto.config.toml.syntax_hints", "rae_auto.config.hints.misplaced"),
    *("rae_plugins.executors.process.keeper.windows.kernel32", "rae_plugins.executors.process.keeper.spawn"),
)
"""Modules that only some plugins, errors, rare commands or other systems need: together some 13 MB."""


def test_idle_daemon_imports_few_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERAGE_PROCESS_START", "")
    daemons = Daemons(tmp_path, IDLE_CONFIG)
    daemons.command = [sys.executable, "-c", COUNTED_COMMAND]
    try:
        daemons.serve()
        daemons.stop()
        modules = daemons.whole_output().splitlines()[-1].split()
    finally:
        daemons.end()
    assert "rae_auto.daemon.daemon" in modules
    assert sorted({*UNUSED_BY_DAEMON} & {*modules}) == []
    assert len(modules) <= 607, modules


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
            # When all have been added, however busy the machine is.
            due = datetime.now(UTC) + timedelta(seconds=10)
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


def test_jobs_that_are_alike_are_checked_with_one_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    create = CronTrigger.__init__

    def note(trigger: CronTrigger, **options: Any) -> None:
        made.append(options)
        create(trigger, **options)

    monkeypatch.setattr(CronTrigger, "__init__", note)
    path = tmp_path / "rae.toml"
    path.write_text("".join(f'[jobs.j{n}]\ncommand = ["true"]\nschedule = "{n % 5} 4 * * *"\n' for n in range(100)))
    path.chmod(0o600)
    assert len(load_config(path, Registry()).jobs) == 100
    assert len(made) == 5


def test_documents_of_a_commit_are_made_one_by_one() -> None:
    states = [JobState(JobId(f"job-{number}"), totals={"succeeded": RunTotal(number)}) for number in range(2_000)]
    gc.collect()
    tracemalloc.start()
    try:
        texts = sum(len(json.dumps(put.body)) for put in encode(map(Save, states)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert texts
    # What is kept of each is its place among the changes; its document would be 600 bytes more.
    assert most / len(states) <= 400, f"{most / len(states):.0f} bytes"


def test_stored_job_takes_few_bytes() -> None:
    size, start = 2_000, datetime(2026, 3, 1, tzinfo=UTC)
    plugins, requester = PluginFactory(Registry(), "Europe/Berlin"), Requester(at=start, via=RequestWay.PYTHON)

    def as_stored(number: int) -> tuple[str, str]:
        job = Job(name=f"job-{number}", command="true", schedule=f"{number % 60} {number % 24} * * *")
        (schedule,) = plugins.plan(job, JobOrigin.STORE).plan.schedules.values()
        # Jobs are added one after another, a few hundred at one instant.
        cursor = Cursor(start + timedelta(seconds=number // 200), digest_of(schedule), start)
        state = JobState(job.id, cursors={"cron": cursor}, added_by=requester)
        return json.dumps(documents.dump(job)), json.dumps(documents.dump(state))

    def load(stored: Iterable[tuple[str, str]]) -> Restored:
        read = [(json.loads(job), json.loads(state)) for job, state in stored]
        plans = [plugins.plan(documents.load(Job, job), JobOrigin.STORE).plan for job, _ in read]
        return Restored(Settings(8), tuple(plans), tuple(documents.load(JobState, state) for _, state in read))

    stored = [as_stored(number) for number in range(size)]
    load(stored)
    gc.collect()
    tracemalloc.start()
    try:
        engine = Engine()
        engine.handle(load(stored), Moment(start, 0.0))
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / size <= 1_300, f"{used / size:.0f} bytes"
