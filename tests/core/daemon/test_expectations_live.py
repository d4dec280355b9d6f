"""Expectations of a real daemon: overdue jobs and runs that take too long are logged, shown and told once."""

from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

JOBS = """
[jobs.backup]
command = ["true"]
expect = { every = "300ms", grace = "0s" }

[jobs.slow]
command = ["sleep", "600"]
expect = { max_runtime = "100ms" }
"""


@pytest.fixture
def daemons(tmp_path: Path):
    daemons = Daemons(tmp_path, JOBS)
    daemons.serve()
    yield daemons
    daemons.end()


def find_job(daemons, name):
    return next(job for job in daemons.ask("list") if job["id"] == name)


def count_lines(daemons, text):
    return sum(text in line for line in daemons.lines)


def test_overdue_job_is_logged_once_also_over_a_restart(daemons):
    eventually(lambda: find_job(daemons, "backup")["overdue_at"])
    assert daemons.ask("health")["overdue"] == ["backup"]
    assert [job["job"] for job in daemons.ask("status")["overdue"]] == ["backup"]
    facts = {fact["subject"]: fact["text"] for fact in daemons.ask("why", job="backup")["facts"]}
    assert facts["overdue"].startswith("no run has succeeded since ")
    daemons.kill()
    daemons.serve()
    assert daemons.ask("health")["overdue"] == ["backup"]
    assert count_lines(daemons, "overdue: no run has succeeded since ") == 1
    daemons.ask("trigger", job="backup")
    eventually(lambda: count_lines(daemons, "no longer overdue") == 1)


def test_run_that_takes_too_long_is_logged_and_goes_on(daemons):
    run = daemons.ask("trigger", job="slow")["run_id"]
    eventually(lambda: daemons.ask("health")["overrunning"] == ["slow"])
    assert find_job(daemons, "slow")["overrunning"] == [run]
    (record,) = daemons.ask("history", run=run)
    assert record["overran_at"] is not None
    assert record["finished_at"] is None
    daemons.ask("cancel", job="slow")
    eventually(lambda: count_lines(daemons, "ended after running too long") == 1)
    assert count_lines(daemons, "runs too long: it has been running since ") == 1
