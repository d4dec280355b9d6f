"""Attempts of shell lines whose starts are counted, for tests of executors that must start each of them once."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rae_auto.api.executor import Assignment
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId, RunId

COUNT = 'echo "$RAE_RUN_ID" >> starts; '
POLL_SECONDS = 0.02


class CountedAttempts:
    """Makes attempts that run in a folder and write a line into its file `starts` when they start.

    attempts = CountedAttempts(tmp_path)
    attempt = attempts.make("echo hello; exit 3")
    await (await executor.start(attempt)).wait()
    assert (attempts.starts(attempt), attempts.output(attempt)) == (1, "hello\n")
    """

    def __init__(self, directory: Path) -> None:
        """Have attempts run in `directory`, which exists; their output goes there too."""
        self._directory = directory
        self._count = 0

    def make(self, shell: str, **keys: Any) -> Assignment:
        """Return the first attempt of another run; `keys` are those of its job."""
        self._count += 1
        run = RunId(f"{self._directory.name.replace('_', '-')}-{self._count}")
        job = Job(id=JobId("fault"), shell=COUNT + shell, cwd=str(self._directory), **keys)
        environment = {"RAE_RUN_ID": run, "RAE_JOB": job.id}
        output = self._directory / f"{run}.1.log"
        return Assignment(run=run, attempt=1, job=job, environment=environment, output=output)

    @staticmethod
    def output(assignment: Assignment) -> str:
        """Return the output of an attempt up to now."""
        return assignment.output.read_text() if assignment.output.exists() else ""

    @staticmethod
    def starts(assignment: Assignment) -> int:
        """Return how often an attempt has started up to now."""
        path = Path(assignment.job.cwd or "") / "starts"
        return path.read_text().split().count(assignment.run) if path.exists() else 0


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until a condition holds; the caller limits the time."""
    while not is_so():  # noqa: ASYNC110 - what other processes do
        await asyncio.sleep(POLL_SECONDS)
