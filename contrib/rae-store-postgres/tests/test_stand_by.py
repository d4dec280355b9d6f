"""Commands beside a daemon that stands by, and where it is gone: what the leader has committed is true now."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rae_auto.api import Put
from rae_auto.api.shared_store import Node
from rae_auto.model import documents
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Run, RunState

LEADER = Node(name="nas-1", host="nas", pid=4711, directory="/srv/rae")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RUN = Run(
    id=RunId("01M8JMYEQZY81CFDDGVVKHNC0S"),
    job=JobId("l"),
    trigger="cron",
    key="k",
    scheduled_for=NOON,
    queued_at=NOON,
    cause=Due(),
    state=RunState.RUNNING,
    attempt=1,
    node=LEADER.name,
)
STANDS_BY = "this daemon stands by; process 4711 on nas leads"
TIMEOUT_SECONDS = 60

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def leader(make_store: Any, tmp_path: Path) -> Iterator[Any]:
    """Lead as another machine, on which a run is active."""
    store, directory = make_store(lease="5m"), tmp_path / "leader"
    directory.mkdir(mode=0o700)
    store.stand_by(directory, LEADER, lambda _: None)
    store.open(directory)
    store.commit([Put(documents.RUN, RUN.id, documents.dump(RUN))])
    yield store
    store.close()


@pytest.fixture
def command(leader: Any, server: Any, tmp_path: Path) -> Command:
    """Return a function that runs a command of this machine."""
    config = tmp_path / "rae.toml"
    config.write_text(
        f'loggers = ["file"]\n[store]\ntype = "postgres"\ndsn = "{server.dsn()}"\n'
        '[jobs.l]\ncommand = ["sleep", "600"]\n'
    )
    config.chmod(0o600)
    (tmp_path / "state").mkdir(mode=0o700)
    environment = {**os.environ, "RAE_STATE_DIR": str(tmp_path / "state")}

    def run(*words: str, start: Any = subprocess.run, **options: Any) -> Any:
        argv = [sys.executable, "-m", "rae_auto", *words, "--config", str(config)]
        return start(argv, env=environment, text=True, **options)

    return run


@pytest.fixture
def ask(command: Command) -> Command:
    """Return a function that runs a command to its end."""
    return lambda *words: command(*words, capture_output=True, timeout=TIMEOUT_SECONDS)


@pytest.fixture
def standby(command: Command, ask: Command) -> Iterator[None]:
    """Have a daemon of this machine stand by."""
    daemon = command("run", start=subprocess.Popen, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        while True:
            asked = ask("status", "--json")
            if asked.returncode in (0, 1) and asked.stdout and json.loads(asked.stdout)["state"] == "standby":
                break
            assert daemon.poll() is None
            assert time.monotonic() < deadline
        yield
    finally:
        daemon.terminate()
        daemon.wait(TIMEOUT_SECONDS)


def test_claim_that_holds_names_the_leader(leader: Any, make_store: Any, server: Any, tmp_path: Path) -> None:
    reader = make_store()
    reader.open_read_only(tmp_path)
    found = reader.find_leader()
    assert (found.node, found.host, found.pid) == (LEADER.name, LEADER.host, LEADER.pid)
    server.execute("UPDATE rae_auto.claim SET expires_at = clock_timestamp()", "SELECT 1")
    assert reader.find_leader() is None
    reader.close()


def test_standby_reads_what_the_leader_does(standby: None, ask: Command) -> None:
    listed, why = ask("list"), ask("why", "l")
    assert listed.stderr == f"rae-auto: {STANDS_BY}\n"
    assert "running" in listed.stdout and "was running" not in listed.stdout
    assert 'has been running on node "nas-1" since' in why.stdout
    assert STANDS_BY in why.stdout


def test_standby_refuses_changes_with_who_leads(standby: None, ask: Command) -> None:
    for words in (("event", "delete", "--all"), ("prune",)):
        assert ask(*words).stderr == f"rae-auto: {STANDS_BY}, so ask there\n"


def test_machine_without_a_daemon_reads_what_the_leader_does(leader: Any, ask: Command) -> None:
    listed = ask("list")
    assert listed.stderr == "rae-auto: no daemon answers here; process 4711 on nas leads\n"
    assert "was running" not in listed.stdout
    leader.close()
    listed = ask("list")
    assert "no daemon is running" in listed.stderr
    assert "was running" in listed.stdout
