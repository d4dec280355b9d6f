"""A real daemon tells once that it is back, also if it is killed right after the start."""

import os
import time
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.records.presence_log import LOG_NAME

CONFIG = """
[notifiers.ops]
type = "command"
command = ["sh", "-c", "cat >> {home}/received; echo >> {home}/received"]

[defaults]
notify = { on = ["back"] }

[jobs.often]
command = ["true"]
schedule = "* * * * *"
catch_up = "all"
"""


@pytest.fixture
def daemons(tmp_path: Path):
    made = Daemons(tmp_path, CONFIG)
    yield made
    made.end()


def find_received(daemons: Daemons) -> list[str]:
    path = daemons.home / "received"
    return [line for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


def leave_alone(daemons: Daemons, hours: float) -> None:
    """Let it look as if the last daemon had been gone for so long."""
    then = time.time() - hours * 3600
    os.utime(daemons.state / LOG_NAME, (then, then))


def test_daemon_reports_that_it_is_back_and_the_cause(daemons: Daemons) -> None:
    daemons.serve()
    eventually((daemons.state / LOG_NAME).exists)
    daemons.stop()
    leave_alone(daemons, 2)
    daemons.serve()
    eventually(lambda: find_received(daemons))
    assert len(find_received(daemons)) == 1
    assert "the daemon is back: none ran for 2 h" in find_received(daemons)[0]
    assert "because the last one was stopped" in find_received(daemons)[0]


@pytest.mark.requirement("R3")
def test_daemon_that_is_killed_right_after_its_start_is_reported_once(daemons: Daemons) -> None:
    daemons.serve()
    eventually((daemons.state / LOG_NAME).exists)
    daemons.kill()
    leave_alone(daemons, 3)
    for delay in (0.0, 0.3, 0.6, 0.9, 1.2):
        daemons.launch()
        time.sleep(delay)
        daemons.kill()
    daemons.serve()
    eventually(lambda: find_received(daemons))
    eventually(lambda: daemons.ask("list_notices") == [])
    ids = {line.split('"id": "')[1].split('"')[0] for line in find_received(daemons)}
    assert len(ids) == 1
    assert "because the last one crashed or was killed" in find_received(daemons)[0]
