"""Fixtures and helpers of the tests of executors."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.waiting import eventually

from rae_auto.api import Assignment, Executor
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_plugins.executors.process import ProcessExecutor

T = TypeVar("T")


@pytest.fixture
def make_assignment(tmp_path: Path) -> Callable[..., Assignment]:
    """Return `make_assignment("exit 3")`, which returns an attempt at a shell script, or by keywords at any job."""
    count = 0

    def make(shell: str | None = None, *, secrets: tuple[str, ...] = (), env: dict[str, str] | None = None, **job: Any):
        nonlocal count
        count += 1
        run = RunId(f"run-{count}-{tmp_path.name}")
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "RAE_RUN_ID": run, **(env or {})}
        work = {"shell": shell} if shell is not None else {}
        return Assignment(
            run=run,
            attempt=1,
            job=Job(id="job", **{"cwd": str(tmp_path), **work, **job}),
            environment=environment,
            output=tmp_path / f"{run}.1.log",
            secrets=secrets,
        )

    return make


@asynccontextmanager
async def an_executor(tmp_path: Path, executor: Executor | None = None) -> AsyncIterator[Executor]:
    """Yield an executor, open in a directory; a process executor unless another is given."""
    executor = executor or ProcessExecutor()
    await executor.open(tmp_path)
    try:
        yield executor
    finally:
        await executor.close()


def run_async(work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of an asynchronous test, with a timeout."""

    async def main() -> T:
        async with asyncio.timeout(60):
            return await work()

    return asyncio.run(main())


def find_what_is_left(directory: Path, assignment: Assignment) -> tuple[object, bool]:
    """Kill an attempt and its keeper; return what the next executor finds, and whether a child then runs still.

    The attempt prints the ids of its child, of itself and of its keeper.
    """

    async def work() -> tuple[object, bool]:
        async with an_executor(directory) as first:
            handle = (await first.start(assignment)).handle
            await asyncio.to_thread(eventually, lambda: assignment.output.read_text().strip())
            child, main, keeper = map(int, assignment.output.read_text().split())
        os.kill(keeper, signal.SIGKILL)
        os.kill(main, signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda: not is_alive(main) and not is_alive(keeper))
        assert is_alive(child)
        async with an_executor(directory) as second:
            return await second.find(assignment, handle), is_alive(child)

    return run_async(work)


def read_output(assignment: Assignment) -> str:
    """Return what an attempt has printed; one that prints nothing leaves no file."""
    return assignment.output.read_text() if assignment.output.exists() else ""


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
