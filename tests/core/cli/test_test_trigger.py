"""rae-auto test-trigger: what triggers see and would fire, live, without running anything."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def configured(offline: Cli, tmp_path: Path) -> Callable[..., Any]:
    """Runs `rae-auto test-trigger` on a configuration."""

    def run(config: str, *arguments: str) -> Any:
        path = tmp_path / "rae.toml"
        path.write_text(config)
        path.chmod(0o600)
        return offline("test-trigger", "--config", str(path), *arguments)

    return run


TICK = """
[jobs.tick]
command = ["touch", "ran"]
cwd = "."

[[jobs.tick.triggers]]
id = "fast"
type = "interval"
every = "20ms"

[[jobs.tick.triggers]]
id = "never"
type = "manual"
"""


def test_what_would_be_started_is_shown_and_nothing_runs(configured: Cli, tmp_path: Path) -> None:
    done = configured(TICK, "tick", "--for", "1s")
    assert done.code == 0
    lines = [line.split("  ", 1)[1] for line in done.out.splitlines()[:-1]]
    assert {"fast: starts", "never: starts", "never: ends"} <= set(lines)
    assert any(line.startswith("fast: fires ") for line in lines)
    assert done.out.splitlines()[-1].startswith("tick would have been started ")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "state").exists()


def test_trace_goes_by_the_clock_of_the_configured_zone(configured: Cli) -> None:
    done = configured(f'timezone = "Asia/Kolkata"\n{TICK}', "tick", "--for", "100ms")
    shown = datetime.fromisoformat(done.out.split("  ", 1)[0])
    distance = shown.replace(tzinfo=ZoneInfo("Asia/Kolkata")) - datetime.now(UTC)
    assert shown.tzinfo is None
    assert abs(distance) < timedelta(hours=1)


def test_trigger_trace_in_json_is_a_line_each(configured: Cli) -> None:
    done = configured(TICK, "tick", "--for", "1s", "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    fired = [one for one in lines if one["kind"] == "fires"]
    assert fired[0]["trigger"] == "fast"
    assert fired[0]["event"] == {"due": fired[0]["key"]}


@pytest.mark.parametrize(
    ("config", "arguments", "code", "what"),
    [
        (TICK, ("tock",), 1, 'no job "tock" in'),
        (TICK, ("tick", "--for", "soon"), 2, '--for: invalid duration "soon"'),
        ('[jobs.bare]\ncommand = ["true"]\n', ("bare",), 2, "job \"bare\" has no trigger; 'rae-auto trigger bare'"),
    ],
)
def test_trigger_trace_refuses_bad_jobs(configured: Cli, config: str, arguments: Any, code: int, what: str) -> None:
    done = configured(config, *arguments)
    assert done.code == code
    assert what in done.err


SCHEDULES = """
timezone = "Europe/Berlin"
[jobs.daily]
command = ["true"]

[[jobs.daily.triggers]]
id = "night"
type = "cron"
expression = "30 2 * * *"

[[jobs.daily.triggers]]
id = "over"
type = "once"
at = "2020-01-01T00:00Z"

[[jobs.daily.triggers]]
id = "soon"
type = "interval"
every = "20ms"
"""


def test_schedule_says_when_it_fires_next_and_why(configured: Cli) -> None:
    done = configured(SCHEDULES, "daily", "--for", "300ms")
    lines = {line.split("  ", 1)[1] for line in done.out.splitlines()[:-1]}
    (night,) = [line for line in lines if line.startswith("night: ") and "next: " in line]
    assert re.fullmatch(
        r"night: .*02:30.*; next: (\w{3} \d{4}-\d\d-\d\d 0[23]:[03]0:00 CES?T \(in [^)]+\)( \([^)]+\))?, ){2}.*"
        r"; all of them come after the end of this test, so it fires nothing here",
        night,
    ), night
    assert [line for line in lines if line.startswith("over: ") and line.endswith("; no instant is left")]
    (soon,) = [line for line in lines if line.startswith("soon: every 20ms; next: ")]
    assert "after the end" not in soon
