"""Jobs that need packages: prepared in the background, with failures reported until they are mended."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.support.waiting import until

from rae_auto import Job, RunState, Scheduler
from rae_auto.explain.engine_source import explain_job
from rae_auto.runtime.execution.preparations import Preparations

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

SCRIPT = "# /// script\n# dependencies = []\n# ///\n"
FAILS = "error: No solution found: x is unknown"


def run_async(work, seconds=30):
    async def main():
        async with asyncio.timeout(seconds):
            return await work()

    return asyncio.run(main())


@pytest.fixture
def open_scheduler(tmp_path: Path):
    """Return a function that opens a scheduler whose jobs find a tool "uv" with this text."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "job.py").write_text(SCRIPT)

    def make(tool: str, jobs: tuple[Job, ...] = ()) -> Scheduler:
        uv = tmp_path / "bin" / "uv"
        uv.write_text(f"#!/bin/sh\n{tool}\n")
        uv.chmod(0o755)
        environment = {"PATH": f"{uv.parent}:/usr/bin:/bin"}
        return Scheduler(directory=tmp_path / "state", jobs=jobs, environment=environment)

    return make


def a_script(tmp_path: Path, **fields) -> Job:
    return Job(id="job", script=str(tmp_path / "job.py"), directory=str(tmp_path), **fields)


def test_jobs_are_prepared_when_they_come(tmp_path, open_scheduler) -> None:
    async def work():
        async with open_scheduler(f'echo "$1" >> {tmp_path}/calls', (a_script(tmp_path),)) as scheduler:
            await until(lambda: (tmp_path / "calls").exists())
            await scheduler.add_job(Job(id="added", script=str(tmp_path / "job.py")))
            await until(lambda: (tmp_path / "calls").read_text() == "sync\nsync\n")
            assert scheduler.runtime.job_problems == []

    run_async(work)


def test_no_start_and_no_stop_waits_for_a_preparation(tmp_path, open_scheduler) -> None:
    async def work():
        async with open_scheduler('test "$1" = run || exec sleep 600', (a_script(tmp_path),)) as scheduler:
            return await scheduler.wait(await scheduler.trigger("job"))

    assert run_async(work).state is RunState.SUCCEEDED


@pytest.mark.parametrize("end", ["a run", "a new definition", "a removal"])
def test_a_failure_is_reported_until_it_is_mended(tmp_path, open_scheduler, end) -> None:
    fails = f'test "$1" = run && exit; test -e {tmp_path}/good || {{ echo "{FAILS}" >&2; exit 1; }}'

    async def work():
        async with open_scheduler(fails) as scheduler:
            await scheduler.add_job(a_script(tmp_path))
            await until(lambda: scheduler.runtime.job_problems)
            [problem] = scheduler.runtime.job_problems
            assert problem.startswith('job "job" could not be prepared: ')
            assert "x is unknown" in problem
            facts = (await explain_job(scheduler, "job")).facts
            assert [fact.text for fact in facts if fact.subject == "preparation"] == [
                problem.replace('job "job"', "it")
            ]
            (tmp_path / "good").touch()
            if end == "a run":
                await scheduler.wait(await scheduler.trigger("job"))
            elif end == "a removal":
                await scheduler.remove_job("job")
            else:
                await scheduler.add_job(a_script(tmp_path, priority="high"), replace=True)
            assert scheduler.runtime.job_problems == []

    run_async(work)


def test_secrets_in_what_a_tool_says_are_masked(tmp_path, open_scheduler) -> None:
    (tmp_path / "token").write_text("opensesame")
    (tmp_path / "token").chmod(0o600)

    async def work():
        async with open_scheduler('echo "error: $INDEX" >&2; exit 1') as scheduler:
            await scheduler.add_job(a_script(tmp_path, env={"INDEX": f"${{file:{tmp_path}/token}}"}))
            await until(lambda: scheduler.runtime.job_problems)
            return scheduler.runtime.job_problems[0]

    problem = run_async(work)
    assert "opensesame" not in problem
    assert "uv: ***" in problem


class Stubborn:
    """An executor whose preparation doesn't end when it is cancelled, and fails later."""

    def __init__(self) -> None:
        self.is_started = self.is_cancelled = self.is_ended = False
        self.released = asyncio.Event()

    def needs_preparation(self, _: Job) -> bool:
        return True

    async def prepare(self, *_) -> dict[str, str]:
        self.is_started = True
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            await self.released.wait()
        self.is_ended = True
        return {"script": "a failure"}


def test_preparation_of_a_removed_job_reports_nothing() -> None:
    async def work():
        executor = Stubborn()
        preparations = Preparations(lambda _: executor, {})
        preparations.start([Job(id="job", command="true")])
        await until(lambda: executor.is_started)
        preparations.forget("job")
        await until(lambda: executor.is_cancelled)
        executor.released.set()
        await until(lambda: executor.is_ended)
        await preparations.close(5)
        return preparations.problems()

    assert run_async(work) == []
