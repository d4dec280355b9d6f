"""Commands beside a daemon that stands by, and where it is gone: what the leader has committed is true now."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import HTTPCookieProcessor, build_opener

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


def test_screens_of_a_standby_read_what_the_leader_does(standby: None, ask: Command) -> None:
    digest, top = ask("digest"), ask("top", "--once")
    status = json.loads(ask("status", "--json").stdout)
    assert (digest.returncode, top.returncode) == (0, 0)
    verdict = " ".join(top.stdout.partition("\n\n")[0].split())
    assert re.search(
        r"Stands by: process 4711 on nas had been leading since .* when it was last heard from, .* ago", verdict
    )
    assert "1 running" in verdict
    assert "was running" not in top.stdout
    assert "no daemon" not in f"{digest.stdout}{top.stdout}".lower()
    assert 0 <= status["silent_seconds"] < TIMEOUT_SECONDS


def test_pages_of_a_standby_read_what_the_leader_does(standby: None, command: Command) -> None:
    options = {"start": subprocess.Popen, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    server = command("ui", "--port", "0", **options)
    try:
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address is not None
        browser = build_opener(HTTPCookieProcessor())
        with browser.open(address[0], timeout=TIMEOUT_SECONDS) as answer:
            page = answer.read().decode()
        with browser.open(urljoin(address[0], f"/api/runs/{RUN.id}"), timeout=TIMEOUT_SECONDS) as answer:
            assert json.load(answer)["state"] == "running"
    finally:
        server.terminate()
        server.communicate(timeout=TIMEOUT_SECONDS)
    assert f"{STANDS_BY.capitalize()}. This is what is on record" in page
    assert "No daemon" not in page


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
