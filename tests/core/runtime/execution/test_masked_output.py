"""Secrets stay out of what is kept of an attempt, whether or not its executor masks them itself."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve
from tests.core.runtime.execution.test_executions import JOB, RUN

from rae_auto import Job
from rae_auto.api import Assignment, Execution, Executor
from rae_auto.engine.events import AttemptEnded, Event
from rae_auto.model.run import Result
from rae_auto.paths import output_path
from rae_auto.runtime.execution.executions import Executions
from rae_auto.toolkit.attempts import mask_output_file

SECRET = "hunter2-hunter2"


class Said(Execution):
    """An attempt that has ended, and repeats a secret in its result."""

    handle: ClassVar[dict[str, Any]] = {}

    async def wait(self) -> Result:
        return Result(exit_code=0, value=f"it is {SECRET}", stderr=f"{SECRET}!")

    async def cancel(self, grace: object) -> None:
        return None


class Careless(Executor):
    """Writes the environment to the output as it is."""

    type = "careless"

    async def start(self, assignment: Assignment) -> Execution:
        assignment.output.write_text("".join(f"{item}\n" for item in assignment.environment.values()))
        return Said()

    async def find(self, assignment: Assignment, handle: object) -> Execution:
        return Said()


def end_of(directory: Path, job: Job, *, is_adopted: bool = False) -> Result:
    """Return the result that is reported of an attempt of the careless executor."""

    async def scene() -> Result:
        events: asyncio.Queue[Event] = asyncio.Queue()
        executions = Executions(directory, lambda _: Careless(), events.put_nowait, {"API_TOKEN": SECRET})
        if is_adopted:
            await executions.find([(RUN, job)])
        else:
            executions.start(RUN, job)
        async with asyncio.timeout(60):
            while not isinstance(event := await events.get(), AttemptEnded):
                pass
        await executions.close()
        return event.result

    return asyncio.run(scene())


JOB_WITH_SECRET = evolve(JOB, env={"TOKEN": "${env:API_TOKEN}"})


def test_output_of_an_executor_that_does_not_mask_is_masked(tmp_path: Path) -> None:
    result = end_of(tmp_path, JOB_WITH_SECRET)
    text = output_path(tmp_path, RUN.job, RUN.id, 1).read_text()
    assert "***" in text and SECRET not in text
    assert SECRET not in str(result)


def test_adopted_attempt_is_masked_by_secrets_read_again(tmp_path: Path) -> None:
    path = output_path(tmp_path, RUN.job, RUN.id, 1)
    path.parent.mkdir(parents=True)
    path.write_text(f"before the crash: {SECRET}\n")
    result = end_of(tmp_path, JOB_WITH_SECRET, is_adopted=True)
    assert path.read_text() == "before the crash: ***\n"
    assert (result.value, result.stderr) == ("***", "***!")


def test_job_of_another_kind_never_reaches_its_executor(tmp_path: Path) -> None:
    result = end_of(tmp_path, evolve(JOB, command=(), shell="true"))
    assert result.error == 'the executor "careless" takes no job with shell; choose another'


@pytest.mark.parametrize("size", [0, (1 << 20) - 5, 1 << 20])
def test_masking_a_file_finds_secrets_across_chunks(tmp_path: Path, size: int) -> None:
    path = tmp_path / "output.log"
    path.write_text("x" * size + SECRET + "y")
    path.chmod(0o600)
    mask_output_file(path, [SECRET])
    assert path.read_text() == "x" * size + "***y"
    assert path.stat().st_mode & 0o777 == 0o600


def test_masking_leaves_a_file_without_secrets_alone(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_text("nothing")
    before = path.stat().st_ino
    mask_output_file(path, [SECRET])
    assert path.stat().st_ino == before
