"""rae-auto simulate: what it prints, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from tests.forecasting import forecast, job

from rae_auto.cli.forecasts import show_differences, show_forecast
from rae_auto.model.names import JobId
from rae_auto.model.policies import RetryPolicy

Cli = Callable[..., Any]

CONFIG = """
timezone = "Europe/Berlin"

[jobs.backup]
command = ["backup"]
schedule = "30 2 * * *"

[jobs.sync]
command = ["sync"]
schedule = "*/30 2 * * *"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


@pytest.fixture
def simulate(offline: Cli, config: Path) -> Cli:
    return lambda *arguments: offline("simulate", "--config", str(config), *arguments)


def test_where_the_clock_is_set_back_a_fixed_time_runs_once_and_a_wild_one_in_both_hours(simulate: Cli) -> None:
    lines = simulate("--from", "2026-10-25").out.splitlines()
    assert [line.split()[:3] for line in lines if "start" in line] == [
        ["2026-10-25T02:00:00+02:00", "start", "sync"],
        ["2026-10-25T02:30:00+02:00", "start", "backup"],
        ["2026-10-25T02:30:00+02:00", "start", "sync"],
        ["2026-10-25T02:00:00+01:00", "start", "sync"],
        ["2026-10-25T02:30:00+01:00", "start", "sync"],
    ]
    assert "busy  -  2 at once: backup, sync" in lines[-1]


def test_overlaps_are_skipped_and_told_as_collisions(simulate: Cli) -> None:
    said = simulate("--from", "2026-11-01", "--durations", "sync=40m")
    assert "2026-11-01T02:30:00+01:00  skip  sync  run " in said.out
    assert "collision  sync  overlap, 1 in all" in said.out


def test_json_has_runs_skips_and_what_is_crowded(simulate: Cli) -> None:
    told = simulate("--from", "2026-11-01", "--durations", "sync=40m", "--json").json
    assert (told["from"], told["until"]) == ("2026-11-01T00:00:00+01:00", "2026-11-02T00:00:00+01:00")
    assert [(run["job"], run["state"], run["cause"], run["wait"]) for run in told["runs"]] == [
        ("sync", "succeeded", "due", None),
        ("backup", "succeeded", "due", None),
    ]
    assert [(skip["job"], skip["reason"]) for skip in told["skips"]] == [("sync", "overlap")]
    assert [peak["jobs"] for peak in told["busiest"]] == [["backup", "sync"]]
    assert [(one["job"], one["times"]) for one in told["collisions"]] == [("sync", 1)]
    assert told["not_simulated"] == []


def test_a_downtime_is_caught_up_with(simulate: Cli) -> None:
    said = simulate("--from", "2026-11-01", "--downtime", "2026-11-01T01:00..2026-11-01T08:00")
    assert "start  backup  caught up, due 2026-11-01T02:30:00+01:00" in said.out


def test_against_shows_only_what_changes(simulate: Cli, config: Path) -> None:
    other = config.with_name("other.toml")
    other.write_text(CONFIG.replace('"30 2 ', '"0 4 '))
    other.chmod(0o600)
    assert simulate("--from", "2026-11-01", "--against", str(other)).out.splitlines() == [
        "2026-11-01T02:30:00+01:00  backup  starts  -",
        "2026-11-01T04:00:00+01:00  backup  -  starts",
    ]
    changes = simulate("--from", "2026-11-01", "--against", str(other), "--json").json["differences"]
    assert [(one["before"] is None, one["after"] is None) for one in changes] == [(False, True), (True, False)]
    assert simulate("--from", "2026-11-01", "--against", str(config)).out == ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--from", "soon"], "is no time"),
        (["--from", "0001-01-01"], "is no time"),
        (["--days", "0"], "--days"),
        (["--downtime", "night"], "must read A..B"),
        (["--downtime", "2020-01-01..2020-01-02"], "within what is simulated"),
        (["--durations", "5m"], "must read history or JOB=TIME"),
        (["--durations", "bakup=5m"], "did you mean 'backup'"),
        (["--durations", "backup=long"], "is no duration"),
        (["--against", "/nowhere.toml"], "there is no such file"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(simulate: Cli, arguments: list[str], problem: str) -> None:
    said = simulate(*arguments)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert problem in said.err


def test_no_state_is_made(simulate: Cli, tmp_path: Path) -> None:
    assert simulate("--from", "2026-11-01").code == 0
    assert not (tmp_path / "state").exists()


def test_a_history_that_is_not_there_is_told(simulate: Cli) -> None:
    said = simulate("--durations", "history")
    assert said.code == 1
    assert "there is no state" in said.err


def test_triggers_that_are_no_schedules_are_named_as_not_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    told = evolve(
        forecast(job("inbox")), unplayed=((JobId("inbox"), "file"),), taken_for_yes=((JobId("inbox"), "power"),)
    )
    show_forecast(told, ZoneInfo("UTC"), False)
    assert capsys.readouterr().out.splitlines() == [
        "-  not simulated  inbox  trigger file: when it fires can't be computed (--events tells)",
        "-  taken for yes  inbox  guard power: what it says can't be computed (--guard tells)",
    ]
    show_forecast(told, ZoneInfo("UTC"), True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["not_simulated"] == [{"job": "inbox", "trigger": "file"}]
    assert shown["taken_for_yes"] == [{"job": "inbox", "guard": "power"}]


def test_a_run_is_told_with_its_waits_ends_and_attempts(capsys: pytest.CaptureFixture[str]) -> None:
    retry = RetryPolicy(attempts=2, delay="1m", jitter=0.0)
    plans = job("first", 60, timeout="5m", retry_policy=retry), job("after", 60, needs=["first"])
    show_forecast(forecast(*plans, durations={"first": 9}), ZoneInfo("UTC"), False)
    lines = [line.split("  ")[1:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["wait", "after", "needs first, which has an open run"],
        ["start", "first", "timed_out, 2 attempts"],
        ["skip", "after", "need_failed: first"],
        ["collision", "after", "need_running, 1 in all, the longest wait 11m"],
    ]


def test_on_a_terminal_there_is_a_table(simulate: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tables", "forecasts"):
        monkeypatch.setattr(f"rae_auto.cli.{module}.on_terminal", lambda: True)
    header, first, *_ = simulate("--from", "2026-10-25").out.splitlines()
    assert header.split() == ["AT", "WHAT", "JOB", "DETAILS"]
    assert first == "Sun 2026-10-25 02:00:00 CEST  start  sync    -"
    assert simulate("--against", str(config)).out == "nothing changes\n"


def test_what_happens_to_an_occurrence_in_both_is_told_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    before = forecast(job("a", 30), durations={"a": 40})
    after = forecast(job("a", 30, overlap="queue", timeout="35m"), durations={"a": 40})
    show_differences(before, after, ZoneInfo("UTC"), False)
    assert capsys.readouterr().out.splitlines() == [
        "2026-03-02T00:00:00+00:00  a  starts  starts, timed_out",
        "2026-03-02T00:30:00+00:00  a  skipped (overlap)  starts 2026-03-02T00:35:00+00:00",
    ]


def test_durations_come_from_the_history(simulate: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def histories(path: Path, queries: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        def run(minutes: int, attempt: int = 1) -> dict[str, Any]:
            return {
                "started_at": "2026-10-01T00:00:00+00:00",
                "finished_at": f"2026-10-01T00:{minutes}:00+00:00",
                "attempt": attempt,
            }

        past = {"backup": [run(10), run(20), run(50), run(59, attempt=2)]}
        return [past.get(query["job"], []) for query in queries]

    monkeypatch.setattr("rae_auto.daemon.offline.histories", histories)
    told = simulate("--from", "2026-11-01", "--durations", "history", "--json").json
    ends = {run["job"]: run["finished_at"][11:16] for run in told["runs"]}
    assert ends == {"backup": "01:50", "sync": "01:31"}
