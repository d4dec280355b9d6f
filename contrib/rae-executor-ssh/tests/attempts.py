"""What tests look at of an attempt: its output, its starts, its directory on the host."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rae_executor_ssh import SshExecutor

from rae_auto.api import Assignment, Execution


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the files of other processes
        await asyncio.sleep(0.02)


def output(assignment: Assignment) -> str:
    return assignment.output.read_text() if assignment.output.exists() else ""


def starts(assignment: Assignment) -> int:
    path = Path(assignment.job.cwd or "") / "starts"
    return path.read_text().split().count(assignment.run) if path.exists() else 0


async def find_end(executor: SshExecutor, assignment: Assignment, handle: object) -> Any:
    """Return the end of an attempt as `find` returns it, also where that goes on before the host has answered."""
    found = await executor.find(assignment, handle)
    return await found.wait() if isinstance(found, Execution) else found


def run_directory(executor: SshExecutor, assignment: Assignment) -> Path:
    return Path(executor.directory) / "runs" / f"{assignment.run}.{assignment.attempt}"
