"""The list of jobs: added ones are told apart, and those that are done leave it after a day."""

from datetime import UTC, datetime, timedelta

from rae_auto import Cron, Job, TriggerRef
from rae_auto.model import documents
from rae_auto.views.jobs import job_details, job_rows, split_done
from rae_auto.views.times import dated_time

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SHOWN = dated_time(NOW.isoformat(), None)


def job(name, activity="done", days=2.0, origin="store"):
    finished_at = None if days is None else (NOW - timedelta(days=days)).isoformat()
    return {
        "id": name,
        "activity": activity,
        "last_state": "succeeded",
        "last_finished_at": finished_at,
        "next_at": None,
        "paused_until": None,
        "pause_note": "",
        "skips": [],
        "expected_by": None,
        "overdue_at": None,
        "overrunning": [],
        "problems": [],
        "schedule": ["once"],
        "origin": origin,
        "added_by": None,
    }


def test_jobs_that_are_long_done_are_left_out():
    jobs = [job("old"), job("recent", days=0.5), job("never", days=None), job("idle", "idle"), job("paused", "paused")]
    shown, done = split_done(jobs, NOW)
    assert [one["id"] for one in shown] == ["recent", "never", "idle", "paused"]
    assert [one["id"] for one in done] == ["old"]


def test_ends_of_pauses_and_skipped_starts_are_listed():
    paused = {**job("a", "paused"), "paused_until": NOW.isoformat(), "pause_note": "holiday"}
    skipping = {**job("b"), "skips": [{"at": NOW.isoformat(), "requested_at": NOW.isoformat()}]}
    rows = job_rows([paused, skipping], None)
    assert (rows[0][1], rows[1][3]) == (f"paused until {SHOWN}", f"-, not {SHOWN}")
    details = dict(job_details({"definition": {"id": "a"}, "open": [], "last": None, "info": paused}, None))
    assert (details["now"], details["note"]) == (f"paused until {SHOWN}", "holiday")


def test_overdue_jobs_and_runs_that_take_too_long_are_listed():
    late = {**job("a", "idle"), "expected_by": NOW.isoformat(), "overdue_at": NOW.isoformat()}
    slow = {**job("b", "running"), "overrunning": ["R"]}
    assert [row[1] for row in job_rows([late, slow], None)] == ["idle, overdue", "running, too long"]
    details = dict(job_details({"definition": {"id": "a"}, "open": [], "info": late, "last": None}, None))
    assert (details["now"], details["expected by"]) == ("idle, overdue", SHOWN)


def test_added_jobs_are_marked():
    assert [row[-1] for row in job_rows([job("a"), job("b", origin="config")], None)] == ["added", ""]


def test_a_definition_is_shown_as_a_configuration_has_it():
    definition = documents.dump(
        Job(
            id="a",
            command=["echo", "a b"],
            env={"A": "x", "é": "y"},
            schedule=[Cron("0 9 * * *", timezone="Asia/Tokyo"), TriggerRef("job", {"jobs": ["b"]})],
            guards=["power", {"type": "load", "below": 2}],
            retry_policy=3,
        )
    )
    rows = job_details({"definition": definition, "open": [], "last": None, "info": job("a", "idle")}, None)
    assert rows[:8] == [
        ("job", "a"),
        ("command", '["echo", "a b"]'),
        ("env", '{ A = "x", "é" = "y" }'),
        ("guards", '{ type = "power" }'),
        ("guards", '{ type = "load", below = 2 }'),
        ("retry", "{ attempts = 3 }"),
        ("triggers", '{ type = "cron", expression = "0 9 * * *", timezone = "Asia/Tokyo" }'),
        ("triggers", '{ type = "job", jobs = ["b"] }'),
    ]
    one = documents.dump(Job(id="a", command="true", schedule="0 9 * * *"))
    assert ("schedule", "0 9 * * *") in job_details(
        {"definition": one, "open": [], "last": None, "info": job("a", "idle")}, None
    )
