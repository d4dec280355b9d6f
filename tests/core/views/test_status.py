"""The status as people and programs read it: "is all well?" first, and no promise of a run that won't happen."""

from datetime import datetime, timedelta

import pytest

from rae_auto.model.run import RunState
from rae_auto.views.status import (
    MAX_ROWS,
    NOT_RUNNING,
    describe_reload,
    judge_health,
    omission_lines,
    problem_lines,
    status_lines,
    status_record,
    status_rows,
)
from rae_auto.views.times import dated_time, due_time

NOW = "2026-11-28T11:06:00+00:00"
AT = datetime.fromisoformat(NOW)
SHOWN = dated_time(NOW, None)
STATUS = {
    "pid": 7,
    "version": "1.0",
    "started_at": NOW,
    "state_directory": "/home/me/state",
    "config": "/home/me/rae.toml",
    "state": "running",
    "enabled": True,
    "disabled_by": None,
    "jobs": 5,
    **{
        name: []
        for name in ("paused", "disabled", "failed", "overdue", "running", "waiting", "next", "skips", "problems")
    },
    "pauses": {},
}
NEXT = [{"job": "backup", "at": NOW}]


def failed(*jobs):
    return [{"job": job, "run_id": "R", "state": "failed", "at": NOW, "failures": 2} for job in jobs]


@pytest.mark.parametrize("state", [state for state in RunState if not state.final])
def test_open_run_is_shown_under_its_state(state):
    run = {"job": "a", "run_id": "R", "state": state.value, "started_at": NOW, "queued_at": NOW, "attempt": 1}
    section = "running" if state.active else "waiting"
    status = {**STATUS, section: [{**run, "waiting_for": "it is next"}]}
    assert [(row[0], row[1], row[4]) for row in status_rows(status, None)] == [(state.value, "a", "R")]


def test_long_lists_show_their_beginning_and_say_of_how_many():
    run = {"state": "queued", "started_at": None, "queued_at": NOW, "attempt": 0, "waiting_for": "it is next"}
    waiting = [{**run, "job": "a", "run_id": f"R{number:04}"} for number in range(3412)]
    status = {**STATUS, "waiting": waiting, "paused": [f"p{number}" for number in range(MAX_ROWS + 1)]}
    status["failed"] = failed(*(f"f{number}" for number in range(MAX_ROWS)))
    rows = status_rows(status, None)
    assert [sum(row[0] == state for row in rows) for state in ("queued", "paused", "failed")] == [MAX_ROWS] * 3
    assert omission_lines(status) == [
        f"showing {MAX_ROWS} of 3,412 waiting runs; 'rae-auto status --json' has all",
        f"showing {MAX_ROWS} of 21 paused jobs; 'rae-auto status --json' has all",
    ]
    assert omission_lines(STATUS) == []
    assert len(status_record(status, None, AT)["waiting"]) == 3412


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, "All is well: 5 jobs"),
        (
            {"next": NEXT, "running": [{}], "paused": ["a"]},
            f'All is well: 5 jobs, 1 running, 1 paused, next "backup" at {SHOWN}',
        ),
        (
            {"next": [{"job": "invoices", "at": NOW, "blocked": "its guard says no"}, *NEXT]},
            f'All is well: 5 jobs, next "backup" at {SHOWN}',
        ),
        ({"state": NOT_RUNNING, "next": NEXT}, f'No daemon is running (5 jobs, "backup" is due at {SHOWN})'),
        ({"failed": failed("a", "b")}, '2 jobs failed last time: "a", "b" (5 jobs)'),
        ({"failed": failed(*"abcde")}, '5 jobs failed last time: "a", "b", "c" and 2 more (5 jobs)'),
        (
            {"overdue": [{"job": "a", "expected_by": NOW, "since": NOW}], "running": [{"job": "b", "overran_at": NOW}]},
            '1 job overdue: "a"; 1 run too long: "b" (5 jobs, 1 running)',
        ),
        ({"problems": ["the disk is full"], "failed": failed("a")}, '1 job failed last time: "a"; 1 problem (5 jobs)'),
        ({"state": "stopping", "running": [{}]}, "Stopping: 5 jobs, 1 running"),
        (
            {"enabled": False, "disabled_by": "the daemon was started with --paused"},
            "Jobs start by hand only, because the daemon was started with --paused: 5 jobs",
        ),
    ],
)
def test_first_line_says_whether_all_is_well(facts, text):
    status = {**STATUS, **facts}
    assert status_lines(status, None, AT)[0] == judge_health(status, None, AT).text == text
    is_down = status["state"] == NOT_RUNNING
    troubles = status["failed"] or status["problems"] or status["overdue"] or is_down
    assert status_record(status, None, AT)["ok"] is not bool(troubles)
    assert status_record(status, None, AT)["summary"] == text


@pytest.mark.parametrize(("late", "text"), [(-120, "is due in 2 min"), (0, "is due now"), (300, "is due 5 min ago")])
def test_start_that_no_daemon_makes_is_due_once(late, text):
    at = datetime.fromisoformat(NEXT[0]["at"])
    now = at + timedelta(seconds=late)
    said = judge_health({**STATUS, "state": NOT_RUNNING, "next": NEXT}, None, now, lambda iso: due_time(iso, now)).text
    assert said == f'No daemon is running (5 jobs, "backup" {text})'


LOSS = "its history stays, its pause, skips and last result are gone (enabled = false keeps them)"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "reloaded: no job changed"),
        ({"added": ["a", "b"], "changed": ["c"]}, "reloaded: 2 added (a, b), 1 changed (c)"),
        ({"removed": ["a", "b"]}, f"reloaded: 2 removed (a, b); {LOSS.replace('its', 'their')}"),
        ({"at_next_start": ["store"]}, "reloaded: no job changed; store changes at the next start"),
        ({"removed": ["a"], "at_next_start": ["store", "loggers"]},
         f"reloaded: 1 removed (a); {LOSS}; store and loggers change at the next start"),
    ],
)  # fmt: skip
def test_reload_is_one_line(changes, text):
    assert describe_reload({"added": [], "changed": [], "removed": [], "at_next_start": [], **changes}) == text


def test_second_line_says_which_configuration_and_state():
    assert status_lines(STATUS, None, AT)[1] == (
        f"rae-auto 1.0 (pid 7) running from /home/me/rae.toml since {SHOWN}; state in /home/me/state"
    )


def test_status_names_the_store_and_the_loggers():
    line = status_lines({**STATUS, "store": "json", "loggers": ["console", "file big.log"]}, None, AT)[1]
    assert line.endswith("; state in /home/me/state; store: json; log: console, file big.log")


def test_pauses_with_an_end_and_skips_have_rows():
    pauses = {"a": {"since": NOW, "until": None, "note": ""}, "b": {"until": NOW, "note": "moving"}}
    skips = [{"job": "c", "at": NOW}]
    rows = status_rows({**STATUS, "paused": ["a", "b"], "pauses": pauses, "skips": skips}, None)
    assert rows == [
        ("paused", "a", SHOWN, "'rae-auto resume a' resumes it", ""),
        ("paused", "b", "", f"until {SHOWN} (note: moving)", ""),
        ("skip", "c", SHOWN, "skipped by hand", ""),
    ]


def test_start_that_a_guard_forbids_says_so():
    status = {**STATUS, "next": [{"job": "invoices", "at": NOW, "blocked": "its guard says no"}, *NEXT]}
    rows = [(row[1], row[3]) for row in status_rows(status, None) if row[0] == "next"]
    assert rows == [("invoices", "will be skipped: its guard says no"), ("backup", "")]


def test_failed_and_paused_jobs_have_rows():
    rows = status_rows({**STATUS, "failed": failed("a"), "paused": ["b"]}, None)
    assert rows == [
        ("failed", "a", SHOWN, "2 times in a row", "R"),
        ("paused", "b", "", "'rae-auto resume b' resumes it", ""),
    ]


def test_each_error_of_the_configuration_has_a_line():
    status = {**STATUS, "problems": ["the configuration was not reloaded: a.toml:1: x\na.toml:2: y"]}
    assert problem_lines(status) == ["problem: the configuration was not reloaded: a.toml:1: x", "  a.toml:2: y"]
