"""kill -9 in odd moments: what was decided is carried out, and no attempt lives on unseen."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.offline.project import Project
from rae_auto.offline.restore import restore
from rae_auto.paths import RESTORED_MARK
from rae_auto.runtime.time.clock import SystemClock

STUBBORN = """
[jobs.stubborn]
shell = "trap '' TERM; echo x >> {home}/begun; until [ -e {home}/go ]; do sleep 0.1; done"
kill_after = "1s"
retry = { attempts = 3, delay = "100ms", on = ["failure", "timeout", "lost"] }
on_crash = "rerun"
"""

WAITER = """
[jobs.waiter]
shell = "echo x >> {home}/begun; until [ -e {home}/go ]; do sleep 0.05; done; exit 7"
on_crash = "rerun"

[jobs.other]
command = ["true"]
"""

STORES = pytest.mark.parametrize("kind", ["sqlite", "json"])


def count_starts(daemons: Daemons) -> int:
    marks = daemons.home / "begun"
    return len(marks.read_text().split()) if marks.exists() else 0


def newest(daemons: Daemons, job: str) -> dict[str, Any]:
    (run,) = daemons.ask("history", job=job)
    return dict(run)


@pytest.mark.requirement("R7")
@STORES
def test_a_cancelled_run_stays_cancelled_across_a_crash(daemons: Callable[..., Daemons], kind: str) -> None:
    ours = daemons(STUBBORN, f'store = "{kind}"\n')
    ours.serve()
    run = ours.ask("trigger", job="stubborn", request=None)["run_id"]
    eventually(lambda: count_starts(ours) == 1)
    ours.ask("cancel", run=run)
    ours.kill()
    ours.serve()
    eventually(lambda: newest(ours, "stubborn")["state"] == "cancelled")
    assert count_starts(ours) == 1
    assert not lives(ours)


@pytest.mark.requirement("R7", "R39")
@STORES
def test_a_timeout_stays_a_timeout_across_a_crash(daemons: Callable[..., Daemons], kind: str) -> None:
    timed = STUBBORN.replace("kill_after", 'timeout = "500ms"\nkill_after').replace("attempts = 3", "attempts = 1")
    ours = daemons(timed, f'store = "{kind}"\n')
    ours.serve()
    ours.ask("trigger", job="stubborn", request=None)
    eventually(lambda: count_starts(ours) == 1)
    # The attempt ignores SIGTERM, so whether the daemon dies before the timeout or after it, the end is the same.
    time.sleep(0.8)
    ours.kill()
    ours.serve()
    eventually(lambda: newest(ours, "stubborn")["state"] == "timed_out")
    assert count_starts(ours) == 1
    assert not lives(ours)


def lives(daemons: Daemons) -> bool:
    found = subprocess.run(["pgrep", "-f", f"{daemons.home}/begun"], capture_output=True, text=True, check=False)
    return bool(found.stdout.split())


@pytest.mark.requirement("R7")
@pytest.mark.parametrize("changed", ["", '[jobs.waiter]\npython = "time:time"\n'], ids=["gone", "other executor"])
@STORES
def test_an_attempt_outlives_its_job(daemons: Callable[..., Daemons], kind: str, changed: str) -> None:
    head = f'store = "{kind}"\n'
    ours = daemons(WAITER, head)
    ours.serve()
    run = ours.ask("trigger", job="waiter", request=None)["run_id"]
    eventually(lambda: count_starts(ours) == 1)
    ours.kill()
    ours.write(head + changed + '[jobs.other]\ncommand = ["true"]\n')
    ours.serve()
    assert [one["run_id"] for one in ours.ask("status")["running"]] == [run]
    (ours.home / "go").touch()
    eventually(lambda: not ours.ask("status")["running"])
    found = newest(ours, "waiter")
    assert (found["run_id"], found["state"], found["exit_code"]) == (run, "failed", 7)
    assert count_starts(ours) == 1


@STORES
def test_an_attempt_of_a_job_that_is_gone_can_be_cancelled(daemons: Callable[..., Daemons], kind: str) -> None:
    head = f'store = "{kind}"\n'
    ours = daemons(STUBBORN, head)
    ours.serve()
    run = ours.ask("trigger", job="stubborn", request=None)["run_id"]
    eventually(lambda: count_starts(ours) == 1)
    ours.kill()
    ours.write(head)
    ours.serve()
    assert "its job is gone" in ours.output()
    ours.ask("cancel", run=run)
    eventually(lambda: newest(ours, "stubborn")["state"] == "cancelled")
    assert not lives(ours)


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have no id of a boot")
def test_processes_of_one_boot_know_that_their_clocks_compare() -> None:
    code = "from rae_auto.runtime.time.clock import SystemClock; print(SystemClock().now().boot)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == SystemClock().now().boot


@pytest.mark.requirement("R7")
@STORES
def test_a_restore_repeats_nothing(daemons: Callable[..., Daemons], kind: str) -> None:
    due = '[jobs.due]\nshell = "echo x >> {home}/due"\nschedule = "* * * * * *"\ncatch_up = "all"\n'
    ours = daemons(WAITER + due, f'store = "{kind}"\nmax_parallel = 2\n')
    ours.serve()
    run = ours.ask("trigger", job="waiter", request=None)["run_id"]
    eventually(lambda: count_starts(ours) == 1)
    ours.ask("backup", path=str(ours.home / "backup"), replace=False)
    (ours.home / "go").touch()
    eventually(lambda: newest(ours, "waiter")["state"] == "failed")
    time.sleep(1.5)
    assert ours.stop() == 0
    restore(Project.load(ours.config), ours.home / "backup", replace=True)
    lines = len((ours.home / "due").read_text().split())
    ours.serve()
    assert "is not run again" in ours.output()
    eventually(lambda: newest(ours, "waiter")["state"] in ("failed", "lost"))
    found = newest(ours, "waiter")
    assert found["run_id"] == run
    assert found["exit_code"] == 7 or found["reason"] == "store_reverted"
    eventually(lambda: len((ours.home / "due").read_text().split()) > lines)
    assert count_starts(ours) == 1
    due_runs = ours.ask("history", job="due")
    assert not [one for one in due_runs if one["reason"] == "error"], "no attempt failed because of an earlier one"
    # The mark is used up.
    assert not (ours.state / RESTORED_MARK).exists()


@pytest.mark.requirement("R7")
@STORES
@pytest.mark.parametrize("is_over", [False, True])
def test_attempt_that_an_older_store_does_not_know_is_found(
    daemons: Callable[..., Daemons], kind: str, is_over: bool
) -> None:
    ours = daemons(WAITER, f'store = "{kind}"\n')
    ours.serve()
    ours.ask("backup", path=str(ours.home / "backup"), replace=False)
    run = ours.ask("trigger", job="waiter", request=None)["run_id"]
    eventually(lambda: count_starts(ours) == 1)
    ours.kill()
    if is_over:
        (ours.home / "go").touch()
        eventually(lambda: list(ours.state.glob("output/waiter/*.exit")))
    restore(Project.load(ours.config), ours.home / "backup", replace=True)
    ours.serve()
    assert "the store doesn't know attempt 1 of this run" in ours.output()
    if not is_over:
        assert [one["run_id"] for one in ours.ask("status")["running"]] == [run]
        (ours.home / "go").touch()
    eventually(lambda: newest(ours, "waiter")["state"] == "failed")
    found = newest(ours, "waiter")
    assert (found["run_id"], found["exit_code"], found["attempt"]) == (run, 7, 1)
    assert count_starts(ours) == 1


@pytest.mark.requirement("R21")
@pytest.mark.parametrize("is_readable", [True, False])
def test_process_of_a_run_with_a_damaged_document_is_found(daemons: Callable[..., Daemons], is_readable: bool) -> None:
    ours = daemons(WAITER)
    ours.serve()
    run = ours.ask("trigger", job="waiter", request=None)["run_id"]
    eventually(lambda: count_starts(ours) == 1)
    ours.kill()
    with contextlib.closing(sqlite3.connect(ours.state / "state.sqlite")) as database:
        damage = "body || ' '" if is_readable else "'{' || body"
        database.execute(f"UPDATE documents SET body = {damage} WHERE kind = 'run'")
        database.commit()
    ours.serve()
    assert [one["run_id"] for one in ours.ask("status")["running"]] == [run]
    (ours.home / "go").touch()
    eventually(lambda: newest(ours, "waiter")["state"] == "failed")
    assert newest(ours, "waiter")["exit_code"] == 7
    assert count_starts(ours) == 1
