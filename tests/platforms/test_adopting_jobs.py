"""The contract of adoption: what a new daemon finds of the jobs of an earlier one, on this platform."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.waiting import eventually

from rae_auto.api import Assignment, Execution, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_plugins.executors.process import ProcessExecutor

UNTIL_GO = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('done')\nraise SystemExit(7)"
SLEEP = "import time; time.sleep(300)"
SPAWN = f"import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True)"
WITH_CHILD = f"{SPAWN}\n{SLEEP}"
MAX_SECONDS = 90


def make_assignment(directory: Path, code: str) -> Assignment:
    run = RunId(f"run-{directory.name}")
    job = Job(id="job", command=[sys.executable, "-c", code], cwd=str(directory))
    environment = {**os.environ, "RAE_RUN_ID": run}
    return Assignment(run=run, attempt=1, job=job, environment=environment, output=directory / f"{run}.1.log")


def run_daemons(work: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(MAX_SECONDS):
            return await work()

    return asyncio.run(main())


async def open_executor(directory: Path) -> ProcessExecutor:
    executor = ProcessExecutor()
    await executor.open(directory)
    return executor


async def start_and_leave(directory: Path, assignment: Assignment) -> dict[str, Any]:
    """Start an attempt as a daemon that then goes away; return its handle."""
    first = await open_executor(directory)
    handle = dict((await first.start(assignment)).handle)
    await first.close()
    return handle


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return not psutil.pid_exists(pid)


@pytest.mark.requirement("R6", "R9")
def test_running_job_is_adopted_with_its_exit_code(tmp_path: Path) -> None:
    assignment = make_assignment(tmp_path, UNTIL_GO)

    async def work() -> Any:
        handle = await start_and_leave(tmp_path, assignment)
        second = await open_executor(tmp_path)
        found = await second.find(assignment, handle)
        assert isinstance(found, Execution)
        (tmp_path / "go").touch()
        result = await found.wait()
        await second.close()
        return result

    assert run_daemons(work).exit_code == 7
    assert assignment.output.read_text().strip() == "done"


@pytest.mark.requirement("R6", "R9")
def test_job_that_ended_meanwhile_has_its_exit_code(tmp_path: Path) -> None:
    assignment = make_assignment(tmp_path, "raise SystemExit(5)")

    async def work() -> Any:
        handle = await start_and_leave(tmp_path, assignment)
        await asyncio.to_thread(eventually, assignment.output.with_suffix(".exit").exists)
        second = await open_executor(tmp_path)
        return await second.find(assignment, handle)

    assert run_daemons(work).exit_code == 5


@pytest.mark.parametrize("is_keeper_killed", [False, True])
@pytest.mark.requirement("R9", "R28")
def test_adopted_job_is_ended_with_its_whole_tree(tmp_path: Path, is_keeper_killed: bool) -> None:
    assignment = make_assignment(tmp_path, WITH_CHILD)

    async def work() -> int:
        handle = await start_and_leave(tmp_path, assignment)
        await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
        child = int(assignment.output.read_text())
        if is_keeper_killed:
            os.kill(handle["keeper"][0], getattr(signal, "SIGKILL", signal.SIGTERM))
            await asyncio.to_thread(eventually, lambda: is_gone(handle["keeper"][0]))
        second = await open_executor(tmp_path)
        found = await second.find(assignment, handle)
        assert isinstance(found, Execution)
        assert not is_gone(child)
        await found.cancel(timedelta(milliseconds=200))
        await found.wait()
        await second.close()
        assert is_gone(handle["pid"])
        return child

    assert is_gone(run_daemons(work))


@pytest.mark.requirement("R4", "R5")
def test_attempt_that_never_started_never_will(tmp_path: Path) -> None:
    assignment = make_assignment(tmp_path, "print('twice')")

    async def work() -> None:
        executor = await open_executor(tmp_path)
        assert await executor.find(assignment, None) == NeverStarted()
        assert await executor.find(assignment, None) == NeverStarted()
        with pytest.raises(RuntimeError, match="cannot be started"):
            await executor.start(assignment)
        await executor.close()

    run_daemons(work)
