"""Matters that need a person, each with its reason and the one thing to do, the worst first."""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.records import waiting_record
from rae_auto.model.run import Attempt, Run, RunState
from rae_auto.views.screens.overview import find_attentions
from rae_auto.views.screens.parts.base import local_times
from rae_auto.views.status import LONG_WAIT

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EMPTY: dict[str, Any] = {
    "state": "running", "problems": [], "failed": [], "overdue": [], "running": [], "waiting": []
}  # fmt: skip


def find(**status: Any) -> list[tuple[str, str | None, str, str]]:
    """Return kind, job, reason and command of what needs a person."""
    found = find_attentions({**EMPTY, **status}, {}, NOW, local_times("UTC", NOW))
    return [(one.kind, one.job, one.why, one.action.command) for one in found]


def run(job: str, **fields: Any) -> dict[str, Any]:
    return {"run_id": job.upper(), "job": job, "overran_at": None, "queued_at": NOW.isoformat(), **fields}


def test_nothing_needs_a_person_while_all_is_well() -> None:
    assert find(running=[run("a")], waiting=[run("b", waiting_for="a slot")]) == []


def test_failed_and_lost_runs_are_run_again() -> None:
    failed = {"job": "a", "state": "failed", "failures": 2, "run_id": "A", "at": (NOW - HOUR).isoformat()}
    lost = {"job": "b", "state": "lost", "failures": 1, "run_id": "B", "at": NOW.isoformat()}
    assert find(failed=[failed, lost]) == [
        ("lost", "b", "b was lost", "rae-auto trigger b"),
        ("failed", "a", "a failed, 2 times in a row", "rae-auto trigger a"),
    ]


def test_overdue_job_is_run() -> None:
    overdue = {"job": "a", "expected_by": NOW.isoformat(), "since": (NOW - 3 * HOUR).isoformat()}
    [(kind, job, why, command)] = find(overdue=[overdue])
    assert (kind, job, command) == ("overdue", "a", "rae-auto trigger a")
    assert why.startswith("a is overdue: no run has succeeded since ")


def test_runs_that_take_or_wait_too_long_are_cancelled() -> None:
    slow = run("a", overran_at=(NOW - HOUR).isoformat())
    waiting = [
        run("b", waiting_for="db is in use", queued_at=(NOW - LONG_WAIT).isoformat()),
        run("c", waiting_for="db is in use", queued_at=(NOW - LONG_WAIT + timedelta(seconds=1)).isoformat()),
    ]
    assert find(running=[slow], waiting=waiting) == [
        ("too_long", "a", "a has been running for longer than expected", "rae-auto cancel A"),
        ("waiting", "b", "b has been waiting since 11:45:00: db is in use", "rae-auto cancel B"),
    ]


def test_wait_counts_from_the_last_attempt_and_after_a_chosen_delay() -> None:
    began, long_ago, lately = ((NOW - wait).isoformat() for wait in (3 * HOUR, LONG_WAIT, HOUR / 60))
    waiting = [
        run("retried", waiting_for="a slot", queued_at=began, waiting_since=lately, not_before=lately),
        run("delayed", waiting_for="its delay", queued_at=began, waiting_since=began, not_before=lately),
        run("to-come", waiting_for="its delay", queued_at=began, not_before=(NOW + HOUR).isoformat()),
        run("stuck", waiting_for="a slot", queued_at=began, waiting_since=long_ago, not_before=None),
        run("after", waiting_for="a slot", queued_at=began, waiting_since=began, not_before=long_ago),
    ]
    found = list(find_attentions({**EMPTY, "waiting": waiting}, {}, NOW, local_times("UTC", NOW)))
    assert [(one.job, one.since) for one in found] == [("stuck", NOW - LONG_WAIT), ("after", NOW - LONG_WAIT)]
    assert [one.why for one in found] == [
        f"{job} has been waiting since 11:45:00: a slot" for job in ("stuck", "after")
    ]


def test_record_of_a_waiting_run_says_since_when_it_waits() -> None:
    waiting = Run(id=RunId("A"), job=JobId("a"), trigger="t", key="k", scheduled_for=NOW, queued_at=NOW, cause=Due())
    assert waiting_record(waiting, None)["waiting_since"] == NOW.isoformat()
    ended, until = NOW + 3 * HOUR, NOW + 4 * HOUR
    failed = Attempt(1, NOW, ended, RunState.FAILED)
    record = waiting_record(evolve(waiting, state=RunState.RETRYING, attempts=(failed,), not_before=until), "its delay")
    assert (record["queued_at"], record["waiting_since"], record["not_before"], record["waiting_for"]) == (
        NOW.isoformat(), ended.isoformat(), until.isoformat(), "its delay"
    )  # fmt: skip


FAILED = {"job": "a", "state": "timed_out", "failures": 1, "run_id": "A", "at": None}


def test_problems_of_rae_auto_come_after_jobs_and_lead_to_doctor() -> None:
    problems = ['trigger "file" is quarantined', "the event loop was blocked"]
    waiting = [run("b", waiting_for="db is in use", queued_at=(NOW - LONG_WAIT).isoformat())]
    found = find(problems=problems, failed=[FAILED], waiting=waiting)
    assert [one[0] for one in found] == ["timed_out", "waiting", "problem", "problem"]
    assert found[2:] == [("problem", None, text, "rae-auto doctor") for text in problems]


def test_what_stops_all_jobs_comes_first() -> None:
    found = find(state="not running", problems=["x"], failed=[FAILED])
    assert [(one[0], one[3]) for one in found] == [
        ("problem", "rae-auto run"), ("timed_out", "rae-auto trigger a"), ("problem", "rae-auto doctor")
    ]  # fmt: skip
    found = find(state="degraded", problems=["the disk is full", "x"], failed=[FAILED])
    assert [one[2] for one in found] == ["the disk is full", "a timed out", "x"]


def test_problems_say_since_when_if_that_is_known() -> None:
    status = {**EMPTY, "problems": ["x", "y"], "problem_times": {"x": NOW.isoformat()}}
    found = find_attentions(status, {}, NOW, local_times("UTC", NOW))
    assert [one.since for one in found] == [NOW, None]
