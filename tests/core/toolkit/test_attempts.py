"""Commands as attempts: a disk that is full neither stops the command nor hides its end."""

import asyncio
import sys
from pathlib import Path

import pytest

from rae_auto import Job
from rae_auto.api import Assignment
from rae_auto.model.primitives.names import RunId
from rae_auto.testing.harness.full_disk import FILE_SIZE_LIMIT_BYTES as LIMIT_BYTES
from rae_auto.testing.harness.full_disk import limit_files
from rae_auto.toolkit.attempts import AttemptOutput, start_process


def test_output_keeps_what_fits_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    with limit_files():
        output = AttemptOutput(path, 1 << 30)
        with pytest.raises(OSError):
            output.write(b"x" * 3 * LIMIT_BYTES)
        output.close()
    assert path.read_bytes() == b"x" * LIMIT_BYTES


def test_command_on_a_full_disk_ends_and_says_so(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write('x' * 1_000_000); sys.exit(3)"
    job = Job(id="flood", command=[sys.executable, "-c", code], directory=str(tmp_path))
    assignment = Assignment(run=RunId("r"), attempt=1, job=job, environment={}, output=tmp_path / "r.log")

    async def run() -> object:
        with limit_files():
            attempt = await start_process(assignment, job.argv)
            return await attempt.wait()

    result = asyncio.run(run())
    assert getattr(result, "exit_code", None) == 3
    assert "can't be written" in str(getattr(result, "error", ""))
    assert (tmp_path / "r.log").read_bytes() == b"x" * LIMIT_BYTES
