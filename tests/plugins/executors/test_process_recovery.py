"""Attempts of an earlier daemon: alive, ended, or unknown."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, is_alive, run_async
from tests.support.waiting import eventually

from rae_auto.api import NeverStarted
from rae_auto.model.run import Result
from rae_plugins.executors.process import ProcessExecutor
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
        async with an_executor(tmp_path) as first:
            execution = await first.start(assignment)
            await execution.wait()
        async with an_executor(tmp_path) as second:
            return await second.find(assignment, execution.handle if known else None)

    assert run_async(work).exit_code == 5


def test_find_returns_none_before_open(tmp_path, make_assignment):
    assert run_async(lambda: ProcessExecutor().find(make_assignment("true"), None)) is None


@pytest.mark.requirement("R4", "R5")
def test_find_in_the_same_boot_claims_an_unstarted_attempt(tmp_path, make_assignment):
    assignment = make_assignment("touch began")

    async def work():
        async with an_executor(tmp_path) as executor:
            found = await executor.find(assignment, None)
            # A keeper that hears of it only now.
            with pytest.raises(RuntimeError):
                await executor.start(assignment)
            return found

    assert run_async(work) == NeverStarted()
    assert not (tmp_path / "began").exists()


@pytest.mark.requirement("R7")
def test_find_after_a_reboot_returns_none(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path):
            (tmp_path / "boot").write_text("another")
        async with an_executor(tmp_path) as executor:
            return await executor.find(make_assignment("true"), None)

    assert run_async(work) is None


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


def test_killed_keeper_leaves_the_exit_status_unknown(tmp_path, make_assignment):
    assignment = make_assignment("echo $PPID; sleep 300")

    async def work():
        async with an_executor(tmp_path) as first:
            execution = await first.start(assignment)
            await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
            os.kill(int(assignment.output.read_text()), signal.SIGKILL)
            result = await execution.wait()
            # The next one gets a keeper of its own.
            assert (await (await first.start(make_assignment("true"))).wait()).ok
            await execution.cancel(NOW)
            return result

    assert run_async(work) == Result(error="its keeper process was killed, so its exit status is unknown")


@pytest.mark.requirement("R9")
def test_killed_keeper_leaves_no_process_of_the_attempt(tmp_path, make_assignment):
    """Another attempt may follow at once."""
    assignment = make_assignment("trap '' TERM; setsid sleep 300 & echo $! $$ $PPID; while :; do sleep 0.1; done")

    async def work():
        async with an_executor(tmp_path) as first:
            execution = await first.start(assignment)
            await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
            *pids, keeper = map(int, assignment.output.read_text().split())
            os.kill(keeper, signal.SIGKILL)
            await execution.wait()
            return [pid for pid in pids if is_alive(pid)]

    assert run_async(work) == []


@pytest.mark.requirement("R9")
def test_find_ends_what_is_left_of_a_lost_attempt(tmp_path, make_assignment):
    assignment = make_assignment("setsid sleep 300 & echo $! $$ $PPID; sleep 300")

    async def work():
        async with an_executor(tmp_path) as first:
            handle = (await first.start(assignment)).handle
            await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
            child, main, keeper = map(int, assignment.output.read_text().split())
        os.kill(keeper, signal.SIGKILL)
        os.kill(main, signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda: not is_alive(main) and not is_alive(keeper))
        assert is_alive(child)
        async with an_executor(tmp_path) as second:
            return await second.find(assignment, handle), is_alive(child)

    assert run_async(work) == (None, False)


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

    assert run_async(work) == Result(error="the process ended, but its keeper left no exit status")


@pytest.mark.requirement("R6")
def test_process_tree_ignores_another_process_with_its_pid(tmp_path):
    """The number of a leader that is gone may be somebody else's by now: ours, for example."""
    other_process = ProcessIdentity(os.getpid(), ticks=1, boot=read_boot_id())
    assert ProcessTree(other_process, "no-such-run").members() == []
    assert not other_process.is_alive()
