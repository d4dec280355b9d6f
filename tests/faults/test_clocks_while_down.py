"""A real daemon whose clocks change while it is down, or while the machine sleeps."""

import sys
from datetime import datetime, timedelta

import pytest
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="preloads a library as Linux does")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = "0 * * * *"
LONG = """
[jobs.retried]
command = ["false"]
retry = { attempts = 2, delay = "1h", max_delay = "1h", jitter = 0 }
[jobs.long]
command = ["sleep", "600"]
timeout = "30m"
"""


def open_run(machine, job):
    return next(run for run in machine.ask("history", job=job) if run["finished_at"] is None)


@pytest.mark.requirement("R13", "R14")
def test_clock_set_while_the_daemon_is_down_repeats_and_loses_nothing(machine):
    machine.set("2026-06-01T09:30:00+00:00")
    machine.serve(HOURLY)
    machine.kill()
    machine.set_by(4 * HOUR)
    machine.serve(HOURLY)
    ran = ["2026-06-01T13:00:00+00:00"]
    eventually(lambda: machine.ran() == ran)
    given_up = machine.ask("why", job="timed", at="2026-06-01T11:00:00+00:00")
    assert "the daemon was down" in given_up["answer"]
    for by in (-4 * HOUR, DAY):
        machine.kill()
        machine.set_by(by)
        machine.serve(HOURLY)
        # Whatever is due has been decided when the daemon answers this.
        machine.ask("pause", job="other")
        machine.ask("resume", job="other")
    ran.append("2026-06-02T09:00:00+00:00")
    eventually(lambda: machine.ran() == ran)
    assert len(machine.ask("history", job="timed")) == 2


@pytest.mark.requirement("R12")
@pytest.mark.parametrize("by", [-365 * DAY, DAY], ids=["back", "forward"])
@pytest.mark.parametrize("is_down", [False, True], ids=["running", "down"])
def test_clock_set_changes_no_delay_no_timeout_and_no_duration(machine, by, is_down):
    machine.serve(HOURLY, LONG)
    for job in ("retried", "long"):
        machine.ask("trigger", job=job, request=None)
    eventually(lambda: open_run(machine, "retried")["state"] == "retrying")
    eventually(lambda: open_run(machine, "long")["state"] == "running")
    if is_down:
        machine.kill()
    machine.set_by(by)
    if is_down:
        machine.serve(HOURLY, LONG)
    machine.ask("trigger", job="other", request=None)
    assert open_run(machine, "retried")["state"] == "retrying"
    assert open_run(machine, "long")["state"] == "running"
    for job in ("retried", "long"):
        machine.ask("cancel", job=job)
        eventually(lambda job=job: machine.ask("history", job=job)[0]["finished_at"] is not None)
        assert 0 <= machine.ask("history", job=job)[0]["duration"] < 120


@pytest.mark.requirement("R12", "R13")
def test_machine_that_sleeps_catches_up_and_says_so(machine):
    machine.set("2026-06-01T09:30:00+00:00")
    machine.serve(HOURLY, LONG)
    machine.ask("trigger", job="retried", request=None)
    machine.ask("trigger", job="long", request=None)
    eventually(lambda: open_run(machine, "retried")["state"] == "retrying")
    machine.sleep(2 * HOUR)
    eventually(lambda: machine.ran() == ["2026-06-01T11:00:00+00:00"])
    assert "slept" in machine.ask("why", job="timed", at="2026-06-01T10:00:00+00:00")["answer"]
    # The time asleep counts for a delay, and not for a timeout.
    eventually(lambda: machine.ask("history", job="retried")[0]["attempt"] == 2)
    assert open_run(machine, "long")["state"] == "running"
    assert machine.now() > datetime.fromisoformat("2026-06-01T11:30:00+00:00")
