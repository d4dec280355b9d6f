import asyncio
import sys
from datetime import timedelta

import pytest
from rae_auto import Job
from rae_auto.api import Assignment
from rae_auto.testing.plugin import PluginConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(PluginConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}()


@pytest.fixture
def assignment(tmp_path):
    def make(code):
        job = Job(id="example", command=[sys.executable, "-c", code])
        return Assignment(run="example-1", attempt=1, job=job, environment={}, output=tmp_path / "output")

    return make


@pytest.mark.parametrize("code", [0, 3])
def test_result_has_the_exit_code(assignment, code):
    async def main():
        execution = await {{ cookiecutter.__class }}().start(assignment(f"raise SystemExit({code})"))
        return await execution.wait()

    assert asyncio.run(main()).exit_code == code


def test_output_is_written_to_the_file(assignment):
    async def main():
        attempt = assignment("print('hello')")
        execution = await {{ cookiecutter.__class }}().start(attempt)
        await execution.wait()
        return attempt.output.read_text()

    assert asyncio.run(main()) == "hello\n"


def test_cancel_ends_the_attempt(assignment):
    async def main():
        execution = await {{ cookiecutter.__class }}().start(assignment("import time; time.sleep(600)"))
        await execution.cancel(timedelta(seconds=5))
        return await execution.wait()

    result = asyncio.run(main())
    assert result.signal or result.exit_code


def test_unknown_command_raises_file_not_found(tmp_path):
    job = Job(id="example", command=["there-is-no-such-command"])
    attempt = Assignment(run="example-1", attempt=1, job=job, environment={}, output=tmp_path / "output")
    with pytest.raises(FileNotFoundError):
        asyncio.run({{ cookiecutter.__class }}().start(attempt))
