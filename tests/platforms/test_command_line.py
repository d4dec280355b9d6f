"""The way from the command line to the daemon and back, in processes of their own, over each transport."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.control_service import TRANSPORTS
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.control.transports.choice import TRANSPORT_VARIABLE

JOBS = """
[jobs.plain]
python = "time:time"

[jobs.broken]
python = "time:no_such_function"
"""


@pytest.fixture(params=TRANSPORTS)
def daemons(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    monkeypatch.setenv(TRANSPORT_VARIABLE, request.param)
    made = Daemons(tmp_path, JOBS)
    yield made
    made.end()


@pytest.fixture
def call(daemons: Daemons) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    def call_program(*words: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
        return subprocess.run(
            [*daemons.command, *words, "--config", str(daemons.config)],
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=100,
        )

    return call_program


def test_commands_reach_the_daemon_and_bring_back_its_answers(daemons, call):
    assert call("trigger", "plain").returncode == 3, "no daemon runs"
    process = daemons.serve()
    status = call("status", "--json")
    assert (status.returncode, status.stderr) == (0, "")
    assert json.loads(status.stdout)["pid"] == process.pid
    for job in ("plain", "broken"):
        started = call("trigger", job)
        assert (started.returncode, started.stderr) == (0, "")

    def read_states() -> dict[str, str]:
        return {run["job"]: run["state"] for run in json.loads(call("history", "--json").stdout)}

    eventually(lambda: read_states() == {"plain": "succeeded", "broken": "failed"})
    unknown = call("trigger", "plane")
    assert unknown.returncode != 0
    assert 'no job "plane"' in unknown.stderr
    assert call("stop").returncode == 0
    assert process.wait(60) == 0


def test_hint_of_the_first_lines_is_a_command_that_works_here(daemons):
    daemons.serve()
    hint = eventually(lambda: next((line for line in daemons.lines if "in a second terminal" in line), None))
    command = hint.partition(": '")[2].partition("' (and likewise")[0]
    assert "status" in command
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=100)
    assert answer.returncode == 0, answer.stderr
    assert "All is well" in answer.stdout
