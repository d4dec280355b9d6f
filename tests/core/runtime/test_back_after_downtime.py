"""A real daemon tells once that it is back, also if it is killed right after the start."""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.reading.store_records import StoreRecords
from rae_auto.records.presence_log import LOG_NAME, read_presence
from rae_auto.views.screens.parts.record_source import WorldSpan

HOUR = timedelta(hours=1)

CONFIG = """
[notifiers.ops]
type = "command"
command = ["sh", "-c", "cat >> {home}/received; echo >> {home}/received"]

[defaults]
notify = { on = ["back"] }

[jobs.often]
command = ["true"]
schedule = "{minute} * * * *"
catch_up = "all"
"""


@pytest.fixture
def daemons(tmp_path: Path):
    # No start falls due while a test runs: a record of it would say that the daemon had been there.
    jobs = CONFIG.replace("{minute}", str((datetime.now(UTC).minute + 30) % 60))
    made = Daemons(tmp_path, jobs, 'state = "{home}/state"\n')
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


def test_downtime_after_a_kill_begins_at_the_newest_record(daemons: Daemons) -> None:
    daemons.serve()
    eventually((daemons.state / LOG_NAME).exists)
    run = daemons.ask("trigger", job="often")["run_id"]
    eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"])
    ended = datetime.fromisoformat(daemons.ask("history", run=run)[0]["finished_at"])
    daemons.kill()
    leave_alone(daemons, 1)
    [open_one] = asyncio.run(read_downtimes(daemons))
    assert (open_one.since, open_one.text.startswith("no daemon has been running for ")) == (ended, True)
    daemons.serve()
    # A quick restart is no downtime at all.
    assert all(span.since >= ended for span in read_presence(daemons.state, ended - HOUR * 2, ended + HOUR))


async def read_downtimes(daemons: Daemons) -> Sequence[WorldSpan]:
    source = StoreRecords.load(daemons.config)
    return await source.world(source.now() - HOUR * 2, source.now() + HOUR)
