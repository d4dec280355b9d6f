"""The overview: what doctor found among what needs a person, and runs against how long they usually take."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rae_auto.model.figures.durations import UsualDuration
from rae_auto.views.screens.overview import build_overview
from rae_auto.views.screens.parts.doctor_report import build_doctor_report
from rae_auto.views.screens.parts.record_source import ExpectedCounts
from rae_auto.views.screens.parts.strip import build_strip

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LISTS = ("problems", "failed", "overdue", "running", "waiting", "paused", "disabled", "next")
STATUS: dict[str, Any] = {
    "state": "running", "jobs": 2, "pid": 1, "version": "1", "started_at": NOW.isoformat(), "config": None,
    "state_directory": "/s", "enabled": True, "disabled_by": None, **{name: [] for name in LISTS},
}  # fmt: skip
DISK = {"subject": "disk", "observation": "no room", "ok": False, "level": "problem", "hint": "delete something"}
SLEEP = {"subject": "sleep", "observation": "it may sleep", "ok": True, "level": "warning", "hint": "wake = true"}


def overview(doctor=None, usual=None, pids=(), **status):
    strip = build_strip(NOW, [], [], ExpectedCounts({}, NOW))
    return build_overview(
        {**STATUS, **status}, NOW, "UTC", ends={}, usual=usual or {}, strip=strip, doctor=doctor, pids=pids
    )


def running(seconds: float, **fields: Any) -> dict[str, Any]:
    started = (NOW - seconds * SECOND).isoformat()
    return {
        "run_id": "R", "job": "a", "attempt": 1, "state": "running", "started_at": started, "queued_at": started,
        "overran_at": None, "pid": 7, **fields,
    }  # fmt: skip


def test_problems_of_doctor_need_a_person_with_when_it_looked() -> None:
    screen = overview(build_doctor_report([DISK, SLEEP], NOW - HOUR))
    [one] = screen.attention
    assert (one.kind, one.why, one.since, one.is_seen, one.action.command) == (
        "doctor", "disk: no room", NOW - HOUR, True, "rae-auto doctor"
    )  # fmt: skip
    assert (screen.ok, screen.doctor_at) == (False, NOW - HOUR)
    assert screen.verdict == "doctor found 1 problem (2 jobs)"


def test_verdict_names_the_instant_of_its_start() -> None:
    starts = [
        {"job": "a", "at": (NOW + HOUR).isoformat(), "blocked": "its guard says no"},
        {"job": "b", "at": (NOW + 2 * HOUR).isoformat()},
    ]
    screen = overview(next=starts)
    assert (screen.verdict, screen.verdict_start_at) == ('All is well: 2 jobs, next "b" in 2 h', NOW + 2 * HOUR)
    assert overview().verdict_start_at is None


def test_problem_that_the_daemon_has_itself_is_listed_once() -> None:
    problem = "no room; delete something"
    screen = overview(build_doctor_report([DISK], NOW), problems=[problem], problem_times={problem: NOW.isoformat()})
    assert [(one.kind, one.since) for one in screen.attention] == [("problem", NOW)]


def test_problems_of_the_daemon_are_those_of_its_status_now() -> None:
    healed = {**DISK, "subject": "daemon", "observation": "the configuration has an error"}
    assert overview(build_doctor_report([healed], NOW - HOUR)).attention == ()


def test_doctor_that_found_nothing_leaves_all_well() -> None:
    screen = overview(build_doctor_report([SLEEP], NOW))
    assert (screen.ok, screen.attention, screen.doctor_at) == (True, (), NOW)
    assert screen.verdict.startswith("All is well")


def test_quarantined_plugin_is_tried_again_by_one_action() -> None:
    text = 'trigger "x" of y 1 is quarantined (a.x) after 5 failures: it broke; fix it'
    screen = overview(problems=[text], quarantined=[text], problem_times={text: NOW.isoformat()})
    [one] = screen.attention
    assert (one.kind, one.action.kind, one.action.command, one.since) == (
        "quarantined", "reload", "rae-auto reload", NOW
    )  # fmt: skip


def test_absence_of_a_daemon_says_since_when() -> None:
    [one] = overview(state="not running", down_since=(NOW - HOUR).isoformat()).attention
    assert (one.since, one.action.command) == (NOW - HOUR, "rae-auto run")
    assert overview(state="not running", down_since=None).attention[0].since is None


@pytest.mark.parametrize("seconds", [0, 3, 600])
def test_running_run_stands_against_how_long_it_usually_takes(seconds: float) -> None:
    usual = UsualDuration(p50=5 * SECOND, p95=9 * SECOND, runs=20)
    [row] = overview(usual={"a": usual}, pids={7}, running=[running(seconds)]).running
    assert (row.elapsed, row.usual, row.is_too_long) == (seconds * SECOND, usual, False)
    assert (row.proof, row.seen_at) == ("process 7 is there", NOW)


def test_running_run_without_a_success_before_has_no_band() -> None:
    [row] = overview(running=[running(600, overran_at=NOW.isoformat())]).running
    assert (row.usual, row.is_too_long, row.seen_at) == (None, True, None)


def test_clock_that_went_back_makes_no_negative_time() -> None:
    [row] = overview(running=[running(-30)]).running
    assert row.elapsed == timedelta(0)


def test_without_a_daemon_it_is_said_what_ran_when_one_was_last_seen() -> None:
    last_seen = NOW - HOUR
    opened = [running(7200), running(7200, run_id="S", pid=8), running(7200, run_id="T", overran_at=NOW.isoformat())]
    screen = overview(state="not running", down_since=last_seen.isoformat(), running=opened[:2], pids=(8,))
    assert screen.verdict == (
        "No daemon is running (2 jobs, 2 were running when the daemon was last seen, at 11:00:00)"
    )
    assert [(row.is_known, row.elapsed) for row in screen.running] == [(False, HOUR), (True, 2 * HOUR)]
    slow = overview(state="not running", down_since=last_seen.isoformat(), running=opened[2:])
    assert "too long" not in slow.verdict
    assert [one.why for one in slow.attention if one.kind == "too_long"] == [
        "a was already running for longer than expected"
    ]
