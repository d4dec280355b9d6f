"""Programs of root's jobs: what another user could change is not run."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, run_async

from rae_auto import Job
from rae_auto.api import Assignment, JobContext
from rae_plugins.executors.process import ProcessExecutor
from rae_plugins.executors.process import executor as executor_module

pytestmark = [
    pytest.mark.requirement("S24"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root"),
]

OTHER_USER, OTHER_GROUP = 65534, 65534
Harm = Callable[[Path], object]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script in a folder of its own, which root alone can write."""
    (tmp_path / "tools").mkdir(mode=0o755)
    path = tmp_path / "tools" / "work.sh"
    path.write_text("#!/bin/sh\necho done\n")
    path.chmod(0o755)
    return path


def start(tmp_path: Path, assignment: Assignment) -> str:
    """Start a job; return why that is refused, or "done"."""

    async def work() -> str:
        async with an_executor(tmp_path) as executor:
            try:
                execution = await executor.start(assignment)
            except ValueError as error:
                return str(error)
            result = await execution.wait()
            assert result.exit_code == 0
            return "done"

    return run_async(work)


HARMS: list[tuple[Harm, str]] = [
    (lambda path: path.chmod(0o777), "{file} is writable by everyone; run 'chmod go-w {path}'"),
    (
        lambda path: os.chown(path, OTHER_USER, 0),
        "{file} is owned by another user (uid 65534); run 'sudo chown 0 {path}'",
    ),
    (
        lambda path: (os.chown(path, 0, OTHER_GROUP), path.chmod(0o775)),
        "{file} is writable by its group; run 'chmod go-w {path}'",
    ),
    (
        lambda path: path.parent.chmod(0o777),
        "{file}: its directory {folder} is writable by everyone; run 'chmod go-w {folder}', or move the file",
    ),
]


@pytest.mark.parametrize(("harm", "text"), HARMS)
def test_root_starts_no_program_that_others_can_change(tmp_path, make_assignment, script, harm, text) -> None:
    harm(script)
    expectation = text.format(file=f'"{script}"', path=script, folder=script.parent)
    expected = f"root runs nothing that others can change: {expectation}, or let another user run the job"
    assert start(tmp_path, make_assignment(command=[str(script)])) == expected
    context = JobContext(environment={"PATH": "/usr/bin:/bin"}, directory=tmp_path)
    job = make_assignment(command=[str(script)]).job
    assert ProcessExecutor().job_warnings(job, context) == {"command": expected}


@pytest.mark.parametrize(
    "job",
    [
        {"command": ["sh", "-e", "tools/work.sh"]},
        {"command": ["work.sh"], "env": {"PATH": "tools:/usr/bin:/bin"}},
        {"shell": "tools/work.sh | cat"},
        {"shell": "sh tools/work.sh"},
        {"script": "{folder}/tools/work.sh"},
        {"command": ["tools/link.sh"]},
    ],
)
def test_script_is_found_wherever_a_job_names_it(tmp_path, make_assignment, script, job) -> None:
    (script.parent / "link.sh").symlink_to(script)
    script.chmod(0o777)
    if "script" in job:
        job = {"script": job["script"].format(folder=tmp_path)}
    assignment = make_assignment(directory=str(tmp_path), **job)
    assert "is writable by everyone" in start(tmp_path, assignment)


def test_folder_of_modules_is_no_others(tmp_path, make_assignment) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code").chmod(0o777)
    assignment = make_assignment(python="os:getpid", directory=str(tmp_path / "code"))
    assert f'"{tmp_path}/code" is writable by everyone' in start(tmp_path, assignment)


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o700])
def test_program_of_root_alone_is_started(tmp_path, make_assignment, script, mode) -> None:
    script.chmod(mode)
    assert start(tmp_path, make_assignment(command=[str(script)])) == "done"


def test_data_that_others_can_write_is_no_program(tmp_path, make_assignment) -> None:
    (tmp_path / "data").write_text("x")
    (tmp_path / "data").chmod(0o666)
    assert start(tmp_path, make_assignment(command=["cat", "data"])) == "done"


def test_job_of_another_user_may_run_what_is_its_own(tmp_path, make_assignment) -> None:
    assignment = make_assignment(command=["true"], user="nobody", cwd="/")
    assert start(tmp_path, assignment) == "done"


def test_starts_within_a_moment_share_a_look_and_later_ones_do_not(
    tmp_path, make_assignment, script, monkeypatch
) -> None:
    looks = []
    monkeypatch.setattr(executor_module, "TRUST_SECONDS", 3600.0)

    def look(job: Job, *_: object) -> str | None:
        looks.append(job.argv)
        return "root runs nothing" if script.stat().st_mode & 0o002 else None

    monkeypatch.setattr(executor_module, "find_program_of_others", look)

    async def work() -> None:
        async with an_executor(tmp_path) as executor:
            commands = [[str(script)]] * 10 + [["true"]]
            started = await asyncio.gather(*(executor.start(make_assignment(command=words)) for words in commands))
            assert len(looks) == 2
            await asyncio.gather(*(one.wait() for one in started))
            await (await executor.start(make_assignment(command=["true"]))).wait()
            assert len(looks) == 2
            monkeypatch.setattr(executor_module, "TRUST_SECONDS", 0.0)
            await (await executor.start(make_assignment(command=[str(script), "now"]))).wait()
            script.chmod(0o777)
            late = (executor.start(make_assignment(command=[str(script), "now"])) for _ in range(3))
            refused = await asyncio.gather(*late, return_exceptions=True)
            assert {type(one) for one in refused} == {ValueError}
            assert len(looks) == 4

    run_async(work)
