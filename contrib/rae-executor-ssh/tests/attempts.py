"""What an ssh attempt leaves behind, for tests to check: output, starts, end and directory on the host."""

from pathlib import Path
from typing import Any

from rae_executor_ssh import SshExecutor

from rae_auto.api import Assignment, Execution
from rae_auto.testing.harness.counted_attempts import CountedAttempts, until

__all__ = ["find_end", "output", "run_directory", "starts", "until"]


output, starts = CountedAttempts.output, CountedAttempts.starts


async def find_end(executor: SshExecutor, assignment: Assignment, handle: object) -> Any:
    """Return the end of an attempt as `find` returns it, also where that goes on before the host has answered."""
    found = await executor.find(assignment, handle)
    return await found.wait() if isinstance(found, Execution) else found


def run_directory(executor: SshExecutor, assignment: Assignment) -> Path:
    return Path(executor.directory) / "runs" / f"{assignment.run}.{assignment.attempt}"
