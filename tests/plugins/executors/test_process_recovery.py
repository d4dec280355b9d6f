"""Attempts of an earlier daemon: alive, ended, or unknown."""

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, find_what_is_left, is_alive, run_async
from tests.support.waiting import eventually

from rae_auto.api import NeverStarted
from rae_plugins.executors.process import ProcessExecutor, keeper_client, keeper_start
from rae_plugins.executors.process.identity import ProcessIdentity, ProcessTree
from rae_plugins.executors.process.keeper.procfs import read_boot_id

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

NOW, SOON, LONG = timedelta(0), timedelta(milliseconds=100), timedelta(hours=1)


def test_find_adopts_a_running_attempt_with_its_true_status(tmp_path, make_assignment):
    assignment = make_assignment("echo begun; until [ -e go ]; do sleep 0.05; done; exit 7")

    async def work():
        async with an_executor(tmp_path) as first:
            handle = (await first.start(assignment)).handle
        async with an_executor(tmp_path) as second:
            execution = await second.find(assignment, handle)
            (tmp_path / "go").touch()
            return await execution.wait()

    assert run_async(work).exit_code == 7


def test_find_returns_an_attempt_that_can_be_cancelled(tmp_path, make_assignment):
    assignment = make_assignment("sleep 300")

    async def work():
        async with an_executor(tmp_path) as first:
            handle = (await first.start(assignment)).handle
        async with an_executor(tmp_path) as second:
            execution = await second.find(assignment, handle)
            await execution.cancel(LONG)
            return await execution.wait()

    assert run_async(work).signal == signal.SIGTERM


@pytest.mark.parametrize("known", [True, False], ids=["with its handle", "that was never recorded"])
def test_find_returns_the_result_of_an_ended_attempt(tmp_path, make_assignment, known):
    assignment = make_assignment("exit 5")

    async def work():
        began = datetime.now(UTC)
        async with an_executor(tmp_path) as first:
            execution = await first.start(assignment)
            seen = await execution.wait()
        ended = datetime.now(UTC)
        async with an_executor(tmp_path) as second:
            found = await second.find(assignment, execution.handle if known else None)
        return seen, found, began, ended

    seen, found, began, ended = run_async(work)
    assert seen.exit_code == 5
    assert began <= seen.ended_at <= ended
    assert found.exit_code == 5
    assert began <= found.started_at == seen.started_at <= found.ended_at <= ended


def test_find_returns_none_before_open(tmp_path, make_assignment):
    assert run_async(lambda: ProcessExecutor().find(make_assignment("true"), None)) is None


@pytest.mark.requirement("R4", "R5")
def test_find_in_the_same_boot_claims_an_unstarted_attempt(tmp_path, make_assignment):
    assignment = make_assignment("touch began")

    async def work():
        async with an_executor(tmp_path) as executor:
            found = await executor.find(assignment, None)
            # A keeper that gets the request only now.
            with pytest.raises(RuntimeError):
                await executor.start(assignment)
            return found

    assert run_async(work) == NeverStarted()
    assert not (tmp_path / "began").exists()


def write_note_of_another_boot(directory: Path) -> None:
    """Make the directory look as a daemon of an earlier boot has left it."""
    note = json.loads((directory / "boot.json").read_text())
    (directory / "boot.json").write_text(json.dumps({**note, "boot": "another", "daemon": None}))


@pytest.mark.requirement("R7")
def test_find_after_a_reboot_returns_none(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path):
            write_note_of_another_boot(tmp_path)
        async with an_executor(tmp_path) as executor:
            return await executor.find(make_assignment("true"), None)

    assert run_async(work) is None


@pytest.mark.requirement("R7")
def test_every_executor_of_a_daemon_notices_a_reboot(tmp_path, make_assignment):
    """They share a directory, and the first one must not hide the reboot from the others."""
    assignment = make_assignment("true")

    async def work():
        async with an_executor(tmp_path):
            write_note_of_another_boot(tmp_path)
        async with an_executor(tmp_path), an_executor(tmp_path, ProcessExecutor(orphans="allow")) as second:
            return await second.find(assignment, None)

    assert run_async(work) is None


@pytest.mark.requirement("R4", "R7")
def test_find_after_a_claim_and_a_reboot_says_never_started(tmp_path, make_assignment):
    """A claim that is there is proof enough, whatever the reboot has taken away."""
    assignment = make_assignment("true")

    async def work():
        async with an_executor(tmp_path) as first:
            claimed = await first.find(assignment, None)
            write_note_of_another_boot(tmp_path)
        async with an_executor(tmp_path) as second:
            return claimed, await second.find(assignment, None)

    assert run_async(work) == (NeverStarted(), NeverStarted())


@pytest.mark.requirement("R3")
def test_find_returns_the_result_of_a_quiet_attempt(tmp_path, make_assignment):
    """It has left no output file, which must not look as if it had never started."""
    assignment = make_assignment("exit 0")

    async def work():
        async with an_executor(tmp_path) as first:
            await (await first.start(assignment)).wait()
        assert not assignment.output.exists()
        async with an_executor(tmp_path) as second:
            return await second.find(assignment, None)

    assert run_async(work).exit_code == 0
    assert not assignment.output.exists()


@pytest.mark.requirement("R9")
def test_find_waits_for_a_slow_keeper(tmp_path, make_assignment):
    """An output file is all there is yet, and a keeper that may be about to spawn the job is alive."""
    keeping, slow = make_assignment("sleep 300"), make_assignment("true")

    async def work():
        async with an_executor(tmp_path) as first:
            running = await first.start(keeping)
            slow.output.touch(0o600)
            async with an_executor(tmp_path) as second:
                finding = asyncio.create_task(second.find(slow, None))
                # Longer than any keeper was waited for before.
                done, _ = await asyncio.wait({finding}, timeout=1.5)
                assert not done
                slow.output.with_suffix(".exit").write_text(json.dumps({"exit_code": 6, "signal": None}))
                result = await finding
            await running.cancel(NOW)
            return result

    assert run_async(work).exit_code == 6


@pytest.mark.requirement("R9")
def test_find_gives_up_once_no_keeper_is_alive(tmp_path, make_assignment):
    assignment = make_assignment("true")

    async def work():
        async with an_executor(tmp_path) as first:
            await (await first.start(make_assignment("true"))).wait()
        assignment.output.touch(0o600)
        async with an_executor(tmp_path) as second:
            return await second.find(assignment, None)

    assert run_async(work) is None


DYING_KEEPER = """
import json, os, socket, time
channel = socket.socket(fileno=0)
request = json.loads(channel.makefile("rb").readline())
started = {"started": request["key"], "pid": 1, "ticks": 1, "boot": "x", "keeper": None, "tag": None, "group": None}
channel.sendall(json.dumps(started).encode() + b"\\n")
if os.path.exists(request["cwd"] + "/records"):
    with open(request["output"][:-3] + "exit", "w") as file:
        json.dump({"exit_code": 9, "signal": None}, file)
channel.sendall(b'{"ended": "')
"""


@pytest.mark.parametrize(("has_record", "expected"), [(False, "its keeper process was killed"), (True, "")])
def test_keeper_that_dies_in_the_middle_of_a_line_leaves_no_run_open(
    tmp_path, make_assignment, monkeypatch, has_record, expected
):
    script = tmp_path / "keeper.py"
    script.write_text(DYING_KEEPER)
    if has_record:
        (tmp_path / "records").touch()

    async def work():
        async with an_executor(tmp_path) as executor:
            with monkeypatch.context() as patch:
                patch.setattr(keeper_start, "KEEPER_SCRIPT", script)
                result = await (await executor.start(make_assignment("true"))).wait()
            # The next one gets a keeper of its own.
            assert (await (await executor.start(make_assignment("true"))).wait()).exit_code == 0
            return result

    result = run_async(work)
    assert result.exit_code == (9 if has_record else None)
    assert expected in (result.error or "")


@pytest.mark.requirement("R35")
def test_cancel_ends_a_job_of_a_keeper_that_does_not_answer(tmp_path, make_assignment, monkeypatch):
    monkeypatch.setattr(keeper_client, "KEEPER_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(keeper_client, "KILL_TIMEOUT_SECONDS", 0.1)
    assignment = make_assignment("echo $PPID; sleep 300")

    async def work():
        async with an_executor(tmp_path) as executor:
            execution = await executor.start(assignment)
            keeper = int(await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip()))
            os.kill(keeper, signal.SIGSTOP)
            try:
                await execution.cancel(NOW)
                return await execution.wait(), is_alive(execution.handle["pid"])
            finally:
                os.kill(keeper, signal.SIGCONT)

    result, is_left = run_async(work)
    assert (result.error, is_left) == ("its keeper process does not answer, so its exit status is unknown", False)


@pytest.mark.requirement("R9", "R35")
def test_start_that_was_given_up_never_begins(tmp_path, make_assignment):
    """The keeper hangs, and reads the request only after the daemon has given up."""
    keeping, late = make_assignment("echo $PPID; sleep 300"), make_assignment("touch began")

    async def work():
        async with an_executor(tmp_path) as executor:
            running = await executor.start(keeping)
            keeper = int(await asyncio.to_thread(eventually, lambda: keeping.output.read_text().strip()))
            os.kill(keeper, signal.SIGSTOP)
            try:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(executor.start(late), 0.2)
            finally:
                os.kill(keeper, signal.SIGCONT)
            # By its answer to this the keeper has read the request before.
            assert (await (await executor.start(make_assignment("true"))).wait()).exit_code == 0
            await running.cancel(NOW)

    run_async(work)
    assert not (tmp_path / "began").exists()


def test_find_returns_the_error_of_an_attempt_that_never_started(tmp_path, make_assignment):
    assignment = make_assignment(command=["/no/such/program"])

    async def work():
        async with an_executor(tmp_path) as executor:
            with pytest.raises(RuntimeError):
                await executor.start(assignment)
            return await executor.find(assignment, None)

    assert "not found" in run_async(work).error


@pytest.mark.parametrize("change", [{"ticks": 1}, {"boot": "another"}, {"pid": 1}, {"pid": "x"}, {"ticks": None}])
@pytest.mark.requirement("R6")
def test_find_never_adopts_another_process(tmp_path, make_assignment, change):
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    me = {"pid": os.getpid(), "ticks": int(stat[19]), "boot": read_boot_id()}
    assert run_async(lambda: ProcessExecutor().find(make_assignment("true"), {**me, **change})) is None


@pytest.mark.requirement("R9")
def test_find_ends_what_is_left_of_a_lost_attempt(tmp_path, make_assignment):
    assignment = make_assignment("setsid sleep 300 & echo $! $$ $PPID; sleep 300")
    assert find_what_is_left(tmp_path, assignment) == (None, False)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the subreaper of Linux")
@pytest.mark.requirement("R28")
def test_adopted_attempt_ends_hidden_processes_and_counts_usage(tmp_path, make_assignment):
    """A daemon without session, parent, pipe and environment, while the keeper has other jobs."""
    burn = "x = bytearray(60 << 20); sum(range(4 * 10**6))"
    script = f"""
        (setsid env -i {sys.executable} -c '{burn}
import os, time
open("hidden", "w").write(str(os.getpid()) + chr(10))
time.sleep(300)' > /dev/null 2>&1 & )
        sleep 300"""
    assignment, other = make_assignment(script), make_assignment("sleep 300")

    def hidden():
        path = tmp_path / "hidden"
        return path.exists() and path.read_text().endswith("\n") and int(path.read_text())

    async def work():
        async with an_executor(tmp_path) as first:
            other_one = await first.start(other)
            handle = (await first.start(assignment)).handle
            pid = await asyncio.to_thread(eventually, hidden)
            async with an_executor(tmp_path) as second:
                execution = await second.find(assignment, handle)
                await execution.cancel(LONG)
                result = await execution.wait()
                left = is_alive(pid), is_alive(other_one.handle["pid"])
            await other_one.cancel(NOW)
            return result, left

    result, left = run_async(work)
    assert left == (False, True)
    assert result.signal == signal.SIGTERM
    assert result.max_memory > 60 << 20
    assert result.cpu_time > timedelta(milliseconds=50)


def test_adopted_attempt_without_exit_record_reports_an_error(tmp_path, make_assignment):
    assignment = make_assignment("echo $PPID; sleep 300")

    async def work():
        async with an_executor(tmp_path) as first:
            execution = await first.start(assignment)
            await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
        os.kill(int(assignment.output.read_text()), signal.SIGKILL)
        async with an_executor(tmp_path) as second:
            adopted = await second.find(assignment, execution.handle)
            await adopted.cancel(NOW)
            return await adopted.wait()

    assert run_async(work).error == "the process ended, but its keeper left no exit status"


@pytest.mark.requirement("R28")
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_adopted_attempt_that_loses_its_keeper_leaves_no_process(tmp_path, make_assignment, is_cancelled):
    """Its main process ends while another one of the attempt goes on, and nothing but this daemon can end that."""
    script = "trap '' TERM; setsid sleep 300 & echo $! $$ $PPID; until [ -e go ]; do sleep 0.05; done"
    assignment = make_assignment(script)

    async def work():
        async with an_executor(tmp_path) as first:
            handle = (await first.start(assignment)).handle
            await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
        *pids, keeper = map(int, assignment.output.read_text().split())
        async with an_executor(tmp_path) as second:
            adopted = await second.find(assignment, handle)
            os.kill(keeper, signal.SIGKILL)
            cancelling = asyncio.create_task(adopted.cancel(SOON)) if is_cancelled else None
            (tmp_path / "go").touch()
            result = await adopted.wait()
            left = [pid for pid in pids if is_alive(pid)]
            if cancelling is not None:
                await cancelling
        return result, left

    result, left = run_async(work)
    assert left == []
    assert result.error == "the process ended, but its keeper left no exit status"
    assert result.tree is not None and result.tree.is_gone


@pytest.mark.requirement("R6")
def test_process_tree_ignores_another_process_with_its_pid(tmp_path):
    """The pid of a leader that is gone may have been reused: by us, for example."""
    other_process = ProcessIdentity(os.getpid(), ticks=1, boot=read_boot_id())
    assert ProcessTree(other_process, "no-such-run").members() == []
    assert not other_process.is_alive()
