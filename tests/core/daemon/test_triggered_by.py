"""Runs that are started through the control socket, with who asked for them."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.errors import BadRequest
from rae_auto.paths import socket_path

# What a job would do to hide: no environment, a session and a parent of its own, and a person's name.
FORGER = """
import json, os, socket, sys, time
if os.fork():
    time.sleep(60)
os.setsid()
if os.fork():
    os._exit(0)
time.sleep(0.2)
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
given = {"job": "plain", "via": "command_line", "client": "the owner"}
client.sendall(json.dumps({"id": 1, "command": "trigger", "with": given}).encode() + b"\\n")
client.recv(4096)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """One daemon for all tests."""
    home = tmp_path_factory.mktemp("triggered")
    (home / "forger.py").write_text(FORGER)
    jobs = f"""
        [jobs.plain]
        command = ["true"]
        [jobs.forger]
        command = ["/usr/bin/env", "-i", "{sys.executable}", "{{home}}/forger.py", "{socket_path(home / "state")}"]
    """
    daemons = Daemons(home, jobs)
    daemons.serve()
    yield daemons
    daemons.end()


def _finished(daemons: Daemons, run: str) -> dict[str, Any]:
    """Return the record of a run, once it has ended."""
    eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"] is not None)
    [record] = daemons.ask("history", run=run)
    return dict(record)


def _why(daemons: Daemons, run: str) -> str:
    return str(daemons.ask("why", job="plain", run=run)["answer"])


def test_runs_that_an_agent_starts_say_so(daemons: Daemons):
    run = daemons.ask("trigger", job="plain", via="mcp", client="an-agent 1.0")["run_id"]
    by = _finished(daemons, run)["triggered_by"]
    assert (by["via"], by["client"], by["run_id"]) == ("mcp", "an-agent 1.0", None)
    assert by["text"].startswith('"an-agent 1.0" through rae-auto mcp, as user ')
    assert f"it was triggered by {by['text']}" in _why(daemons, run)


def test_runs_that_a_person_starts_say_by_hand(daemons: Daemons):
    run = daemons.ask("trigger", job="plain", via="command_line")["run_id"]
    by = _finished(daemons, run)["triggered_by"]
    assert (by["via"], by["client"], by["run_id"]) == ("command_line", "", None)
    assert "it was triggered by hand" in _why(daemons, run)


def test_jobs_can_not_hide_that_they_started_a_run(daemons: Daemons):
    known = {record["run_id"] for record in daemons.ask("history", job="plain")}
    forger = daemons.ask("trigger", job="forger")["run_id"]
    eventually(lambda: {record["run_id"] for record in daemons.ask("history", job="plain")} - known)
    [run] = {record["run_id"] for record in daemons.ask("history", job="plain")} - known
    by = _finished(daemons, run)["triggered_by"]
    assert (by["run_id"], by["job"]) == (forger, "forger")
    assert by["text"] == f'run {forger} of job "forger", through the command line'
    assert f"it was triggered by {by['text']}" in _why(daemons, run)
    daemons.ask("cancel", job="forger")


def test_requesters_outlive_a_restart(daemons: Daemons):
    run = daemons.ask("trigger", job="plain", via="python", client="a program")["run_id"]
    before = _finished(daemons, run)["triggered_by"]
    daemons.stop()
    daemons.serve()
    assert daemons.ask("history", run=run)[0]["triggered_by"] == before


@pytest.mark.parametrize("given", [{"via": "config"}, {"client": "a\nb"}, {"client": "x" * 65}])
def test_trigger_refuses_an_unknown_origin(daemons: Daemons, given: dict[str, object]):
    with pytest.raises(BadRequest, match=next(iter(given))):
        daemons.ask("trigger", job="plain", **given)
