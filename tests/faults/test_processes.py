"""Commands that do all they can not to end, run by a whole scheduler or by the real daemon: nothing of them stays."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.core.daemon.test_daemon import Home
from tests.plugins.executors.conftest import is_alive, run_async
from tests.support.waiting import eventually

from rae_auto import Job, Limits, Scheduler
from rae_auto.errors import InvalidJob
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.run import RunState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the subreaper and /proc of Linux")

NOTE = "echo $$ >> {pids}; "
TROUBLE = {
    "ignores SIGTERM": f"{NOTE} trap '' TERM; while :; do sleep 0.1; done",
    "double-forks": f"( ( sh -c '{NOTE} exec sleep 300' & ) & ); {NOTE} sleep 300",
    "leaves its session": f"setsid sh -c '{NOTE} trap \"\" TERM; sleep 300; sleep 300' & {NOTE} wait",
    "becomes a daemon without a trace": f"( setsid env -i sh -c '{NOTE} exec sleep 300' > /dev/null 2>&1 & ); "
    f"{NOTE} sleep 300",
    "stops itself": f"{NOTE} kill -STOP $$",
    "floods": f"{NOTE} trap '' TERM; while :; do yes | head -c 1000000; done",
    "has children when it is told to end": f"trap 'setsid sh -c \"{NOTE} exec sleep 300\" &' TERM; "
    f"{NOTE} sleep 300 & wait; wait",
    "bears as fast as it dies": f"trap '' TERM; {NOTE} while :; do (setsid sh -c '{NOTE} sleep 1' &); sleep 0.1; done",
}


def read_pids(pids: Path) -> list[int]:
    return [int(line) for line in pids.read_text().split()] if pids.exists() else []


@pytest.mark.requirement("R28")
@pytest.mark.parametrize("how", ["timeout", "cancel", "shutdown"])
@pytest.mark.parametrize("script", TROUBLE.values(), ids=TROUBLE)
def test_whatever_a_command_does_all_of_it_ends(tmp_path, how, script):
    pids = tmp_path / "pids"
    shell = script.replace("{pids}", str(pids))
    # Beside another one, so that what it hides can't be told by being the only one.
    limit = timedelta(seconds=1) if how == "timeout" else None
    jobs = [Job(id="other", command=["sleep", "300"]), Job(id="job", shell=shell, timeout=limit, kill_after="300ms")]

    async def work():
        async with Scheduler(directory=tmp_path / "state", jobs=jobs, shutdown_grace=timedelta(0)) as scheduler:
            other = await scheduler.trigger("other")
            run = await scheduler.trigger("job")
            await asyncio.to_thread(eventually, lambda: len(read_pids(pids)) >= (2 if "sleep 300' " in shell else 1))
            if how == "cancel":
                await scheduler.cancel(run)
            if how != "shutdown":
                ended = await scheduler.wait(run)
                left = [pid for pid in read_pids(pids) if is_alive(pid)]
                assert (await scheduler.get_run(other)).state is RunState.RUNNING
                return ended.state, left
        return RunState.INTERRUPTED, [pid for pid in read_pids(pids) if is_alive(pid)]

    state, left = run_async(work)
    assert left == []
    assert (
        state
        is {
            "timeout": RunState.TIMED_OUT,
            "cancel": RunState.CANCELLED,
            "shutdown": RunState.INTERRUPTED,
        }[how]
    )


@pytest.mark.requirement("R30")
def test_a_flood_is_kept_within_bounds_in_memory_and_on_disk(tmp_path):
    """A hundred megabytes of output, without a line's end."""
    job = Job(id="flood", shell="head -c 100000000 /dev/zero | tr '\\0' x", limits=Limits(output="1MB"))

    def peak_of(pid: int) -> int:
        status = Path(f"/proc/{pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))

    async def work():
        async with Scheduler(directory=tmp_path, jobs=[job]) as scheduler:
            run = await scheduler.trigger("flood")
            ended = await scheduler.wait(run)
            (note,) = (tmp_path / "executors" / "process" / "keepers").iterdir()
            return ended, peak_of(int(note.stem))

    ended, peak = run_async(work)
    assert ended.state is RunState.SUCCEEDED
    assert peak < 40 << 20
    (output,) = (tmp_path / "output").glob("flood/*.log")
    assert output.stat().st_size < 1_100_000
    assert b"bytes omitted]" in output.read_bytes()


@pytest.mark.requirement("R29")
def test_what_a_command_leaves_behind_goes_or_stays_as_it_is_wanted(tmp_path):
    start = "setsid sleep 300 > /dev/null 2>&1 & echo $! > {}"
    allow = PluginRef("process", {"orphans": "allow"})
    jobs = [
        Job(id="goes", shell=start.format(tmp_path / "goes")),
        Job(id="stays", shell=start.format(tmp_path / "stays"), executor=allow),
    ]

    async def work():
        async with Scheduler(directory=tmp_path / "state", jobs=jobs) as scheduler:
            ended = [await scheduler.wait(await scheduler.trigger(job.id)) for job in jobs]
            return [run.state for run in ended]

    assert run_async(work) == [RunState.SUCCEEDED, RunState.SUCCEEDED]
    goes, stays = (int((tmp_path / name).read_text()) for name in ("goes", "stays"))
    assert (is_alive(goes), is_alive(stays)) == (False, True)
    os.kill(stays, signal.SIGKILL)


@pytest.mark.requirement("R31")
def test_an_exceeded_limit_is_the_reason_and_usage_is_on_record(tmp_path):
    # It stays: the peak of a process that has ended says nothing below that of the test process, which may be large.
    hog = [sys.executable, "-c", "import time; x = bytearray(200 << 20); time.sleep(600)"]
    job = Job(id="hog", command=hog, limits=Limits(memory="50MB"))

    async def work():
        async with Scheduler(directory=tmp_path, jobs=[job]) as scheduler:
            return await scheduler.wait(await scheduler.trigger("hog"))

    run = run_async(work)
    assert (run.state, run.reason.text) == (RunState.FAILED, "memory limit of 50MB exceeded")
    (attempt,) = run.attempts
    assert attempt.result.max_memory > 50 << 20
    assert attempt.result.cpu_time > timedelta(0)


@pytest.mark.parametrize("best_effort", [False, True])
def test_unenforceable_limit_is_refused_unless_best_effort(tmp_path, best_effort):
    job = Job(id="call", python="os:getpid", limits=Limits(cpu_time="1s", best_effort=best_effort))

    async def work():
        async with Scheduler(directory=tmp_path) as scheduler:
            await scheduler.add_job(job)
            return (await scheduler.wait(await scheduler.trigger("call"))).state

    if best_effort:
        assert run_async(work) is RunState.SUCCEEDED
    else:
        with pytest.raises(InvalidJob, match=r'"call": limits.cpu_time: can.t be enforced: the thread executor'):
            run_async(work)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    home = Home(tmp_path, "sqlite")
    yield home
    for daemon in home.started:
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGINT)
        daemon.communicate(timeout=60)


@pytest.mark.requirement("R28", "R31")
def test_adopted_run_is_limited_ended_and_recorded_like_any_other(home, tmp_path):
    """The daemon is killed; its successor learns of the limit, and cancels what hides."""
    hide = "( setsid env -i sh -c 'echo $$ > {home}/hidden; exec sleep 300' > /dev/null 2>&1 & ); sleep 300"
    burn = "until [ -e {home}/go ]; do sleep 0.05; done; while :; do :; done"
    home.write(f"""
[jobs.hide]
shell = \"\"\"{hide}\"\"\"
[jobs.burn]
shell = \"\"\"{burn}\"\"\"
limits = {{ cpu_time = "500ms" }}
""")
    first = home.serve()
    runs = [home.ask("trigger", job=job, request=None)["run_id"] for job in ("hide", "burn")]
    eventually(lambda: (tmp_path / "hidden").exists() and (tmp_path / "hidden").read_text())
    eventually(lambda: home.ask("status")["running"][1:])
    hidden = int((tmp_path / "hidden").read_text())
    first.kill()
    first.wait()
    first.stderr.close()  # whose other end its keeper holds
    home.started.remove(first)
    home.serve()
    home.ask("cancel", job=runs[0])
    (tmp_path / "go").touch()

    def ended():
        records = {run["run_id"]: run for run in json.loads(run_rae_auto("history", "--json"))}
        found = [records[run] for run in runs]
        return found if all(run["finished_at"] for run in found) else None

    def run_rae_auto(*words: str) -> str:
        command = [sys.executable, "-m", "rae_auto", *words, "--config", str(home.config)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    cancelled, failed = eventually(ended)
    assert (cancelled["state"], is_alive(hidden)) == ("cancelled", False)
    assert (failed["state"], failed["reason_text"]) == ("failed", "cpu_time limit of 0.5s exceeded")
    (attempt,) = failed["attempts"]
    assert attempt["cpu_time"] > 0.5
    assert attempt["max_memory"] > 0
    assert attempt["error"] == "cpu_time limit of 0.5s exceeded"
    facts = home.ask("why", job="burn")["facts"]
    assert [fact for fact in facts if "of CPU time" in fact["text"] and "of memory" in fact["text"]]
