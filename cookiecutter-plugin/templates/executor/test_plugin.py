import asyncio

import pytest
from rae_auto import Job
from rae_auto.api import Assignment
from rae_auto.testing.executors import ExecutorConformance
from rae_auto.testing.installed import InstalledConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(ExecutorConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}()


def test_prefix_comes_before_the_command(tmp_path):
    job = Job(id="example", command=["there-is-no-such-command"])
    attempt = Assignment(run="example-1", attempt=1, job=job, environment={}, output=tmp_path / "output")

    async def main():
        execution = await {{ cookiecutter.__class }}(prefix=("echo",)).start(attempt)
        return await execution.wait()

    assert asyncio.run(main()).exit_code == 0
    assert attempt.output.read_text() == "there-is-no-such-command\n"
