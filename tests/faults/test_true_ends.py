"""A run that ended while no daemon ran counts with its true end, in statistics and for its followers."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

CONFIG = """
[jobs.long]
shell = "while [ ! -e {home}/go ]; do sleep 0.05; done; touch {home}/over"

[jobs.next]
shell = 'printf "%s" "$RAE_EVENT" > {home}/event'
trigger = { type = "job", jobs = ["long"] }
"""

DOWN_SECONDS = 5.0


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path, CONFIG)
    yield daemons
    daemons.end()


@pytest.mark.requirement("R7")
def test_statistics_and_followers_have_the_true_end(daemons: Daemons, tmp_path: Path) -> None:
    daemons.serve()
    run = daemons.ask("trigger", job="long")["run_id"]
    eventually(lambda: daemons.ask("history", job="long", states=["running"]))
    daemons.kill()
    (tmp_path / "go").touch()
    eventually((tmp_path / "over").exists)
    # The time that a wrong end would add.
    time.sleep(DOWN_SECONDS)
    daemons.serve()
    eventually(lambda: (tmp_path / "event").exists() and (tmp_path / "event").read_text())
    (found,) = daemons.ask("history", job="long")
    assert (found["run_id"], found["state"]) == (run, "succeeded")
    event = json.loads((tmp_path / "event").read_text())
    assert event["seconds"] == pytest.approx(found["duration"], abs=0.1)
    assert daemons.ask("stats", job="long")["duration"]["p50"] == pytest.approx(found["duration"], abs=0.1)
    gone = time.time() - (tmp_path / "over").stat().st_mtime
    assert gone > DOWN_SECONDS
    assert found["duration"] < (tmp_path / "over").stat().st_mtime - _started_at(found) + DOWN_SECONDS / 2


def _started_at(run: dict[str, str]) -> float:
    return datetime.fromisoformat(run["started_at"]).timestamp()
