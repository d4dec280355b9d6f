"""The list of jobs: added ones are told apart, and those that are done leave it after a day."""

from datetime import UTC, datetime, timedelta

from rae_auto.views.jobs import job_rows, split_done

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def job(name, activity="done", days=2.0, origin="store"):
    finished_at = None if days is None else (NOW - timedelta(days=days)).isoformat()
    return {
        "id": name,
        "activity": activity,
        "last_state": "succeeded",
        "last_finished_at": finished_at,
        "next_at": None,
        "schedule": ["once"],
        "origin": origin,
    }


def test_jobs_that_are_long_done_are_left_out():
    jobs = [job("old"), job("recent", days=0.5), job("never", days=None), job("idle", "idle"), job("paused", "paused")]
    shown, done = split_done(jobs, NOW)
    assert [one["id"] for one in shown] == ["recent", "never", "idle", "paused"]
    assert [one["id"] for one in done] == ["old"]


def test_added_jobs_are_marked():
    assert [row[-1] for row in job_rows([job("a"), job("b", origin="config")], None)] == ["added", ""]
