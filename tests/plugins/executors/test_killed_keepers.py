"""Keepers that are killed: what they held has an end, and what they had yet to spawn goes to the next one."""

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, is_alive, run_async
from tests.support.waiting import eventually

from rae_auto.api import NeverStarted
from rae_plugins.executors.process import keeper_client

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

NOW = timedelta(0)


def test_killed_keeper_leaves_the_exit_status_unknown(tmp_path, make_assignment):
    assignment = make_assignment("echo $PPID; sleep 300")

    async def work():
        async with an_executor(tmp_path) as first:
            execution = await first.start(assignment)
            await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
            os.kill(int(assignment.output.read_text()), signal.SIGKILL)
            result = await execution.wait()
            # The next one gets a keeper of its own.
            assert (await (await first.start(make_assignment("true"))).wait()).exit_code == 0
            await execution.cancel(NOW)
            return result

    result = run_async(work)
    assert result.error == "its keeper process was killed, so its exit status is unknown"
    assert result.tree.is_gone
    assert result.tree.killed is not None


@pytest.mark.parametrize("report", ["ended", "started"])
def test_report_that_makes_no_sense_leaves_no_attempt_waiting(tmp_path, make_assignment, monkeypatch, report):
    """As those of a killed keeper: its attempts are looked for, and the next ones get a keeper of their own."""
    name, calls = "to_past_result" if report == "ended" else "_set_result", []
    real = getattr(keeper_client, name)

    def fail_once(*values):
        calls.append(values)
        if len(calls) == 1:
            raise KeyError(report)
        return real(*values)

    async def work():
        async with an_executor(tmp_path) as first:
            monkeypatch.setattr(keeper_client, name, fail_once)
            execution = None
            try:
                execution = await first.start(make_assignment("exit 3"))
            except RuntimeError as error:
                assert report == "started", error
            result = execution and await execution.wait()
            assert (await (await first.start(make_assignment("true"))).wait()).exit_code == 0
            return result

    result = run_async(work)
    assert result is None or result.exit_code == 3 or result.error
    assert calls


async def stop_with_request(executor, keeping, late):
    """Return the keeper, stopped, and the start of an attempt whose request it has yet to read."""
    running = await executor.start(keeping)
    keeper = int(await asyncio.to_thread(eventually, lambda: keeping.output.read_text().strip()))
    os.kill(keeper, signal.SIGSTOP)
    starting = asyncio.create_task(executor.start(late))
    requested = executor._keeper._attempts
    await asyncio.to_thread(eventually, lambda: len(requested) == 2)
    return keeper, running, starting


@pytest.mark.requirement("R4", "R9")
def test_request_that_a_killed_keeper_has_not_read_goes_to_the_next(tmp_path, make_assignment):
    keeping, late = make_assignment("echo $PPID; sleep 300"), make_assignment("echo x >> began")

    async def work():
        async with an_executor(tmp_path) as executor:
            keeper, running, starting = await stop_with_request(executor, keeping, late)
            os.kill(keeper, signal.SIGKILL)
            result = await (await starting).wait()
            await running.wait()
            return result

    assert run_async(work).exit_code == 0
    assert (tmp_path / "began").read_text() == "x\n"


@pytest.mark.requirement("R4")
def test_request_of_a_killed_keeper_has_an_end_where_its_claim_stays(tmp_path, make_assignment, monkeypatch):
    keeping, late = make_assignment("echo $PPID; sleep 300"), make_assignment("echo x >> began")
    unlink = Path.unlink

    def refuse(path, **options):
        if path == late.output:
            raise PermissionError(13, "Permission denied")
        unlink(path, **options)

    async def work():
        async with an_executor(tmp_path) as executor:
            keeper, running, starting = await stop_with_request(executor, keeping, late)
            monkeypatch.setattr(Path, "unlink", refuse)
            os.kill(keeper, signal.SIGKILL)
            with pytest.raises(RuntimeError, match="the keeper process was killed"):
                await starting
            await running.wait()

    run_async(work)
    assert not (tmp_path / "began").exists()


@pytest.mark.requirement("R4", "R9")
@pytest.mark.parametrize("what", ["output", "record"])
def test_request_that_a_killed_keeper_may_have_carried_out_fails(tmp_path, make_assignment, what):
    keeping, late = make_assignment("echo $PPID; sleep 300"), make_assignment("echo x >> began")

    async def work():
        async with an_executor(tmp_path) as executor:
            keeper, running, starting = await stop_with_request(executor, keeping, late)
            # As the keeper leaves them when it is killed right after its first act, or after a quiet attempt.
            late.output.with_suffix(".log" if what == "output" else ".exit").write_text("{}")
            os.kill(keeper, signal.SIGKILL)
            with pytest.raises(RuntimeError, match="the keeper process was killed"):
                await starting
            await running.wait()

    run_async(work)
    assert not (tmp_path / "began").exists()


@pytest.mark.requirement("R9")
def test_request_that_ends_each_keeper_fails(tmp_path, make_assignment, monkeypatch):
    keepers = []
    start = keeper_client.start_keeper

    def start_and_kill(*args):
        keepers.append(process := start(*args))
        process.kill()
        return process

    monkeypatch.setattr(keeper_client, "start_keeper", start_and_kill)

    async def work():
        async with an_executor(tmp_path) as executor:
            with pytest.raises(RuntimeError, match="the keeper process was killed"):
                await executor.start(make_assignment("true"))

    run_async(work)
    assert len(keepers) == keeper_client.MAX_KEEPERS


@pytest.mark.requirement("R9")
def test_attempt_that_was_given_up_goes_to_no_other_keeper(tmp_path, make_assignment):
    keeping, late = make_assignment("echo $PPID; sleep 300"), make_assignment("touch began")

    async def work():
        async with an_executor(tmp_path) as executor:
            keeper, running, starting = await stop_with_request(executor, keeping, late)
            starting.cancel()
            await asyncio.wait({starting})
            os.kill(keeper, signal.SIGKILL)
            await running.wait()
            assert (await (await executor.start(make_assignment("true"))).wait()).exit_code == 0
            return await executor.find(late, None)

    assert isinstance(run_async(work), NeverStarted)
    assert not (tmp_path / "began").exists()


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
