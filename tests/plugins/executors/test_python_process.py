"""Python functions in processes of their own: values, errors, environment, and what a crash leaves."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, run_async

from rae_auto.api import Assignment
from rae_auto.model.run import Result
from rae_plugins.executors.process import ProcessExecutor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

MODULE = """
import asyncio, os, sys, time

def see():
    print("working")
    return {"cwd": os.getcwd(), "mode": os.environ.get("MODE"), "umask": os.umask(0)}

async def give_later(value):
    await asyncio.sleep(0)
    return value

def fail():
    raise ValueError("two\\nlines")

def leave(code):
    sys.exit(code)

def yield_one():
    yield 1

def sleep():
    time.sleep(60)

def abort():
    os.abort()
"""


@pytest.fixture
def python(tmp_path: Path, make_assignment):
    """Return `python("function", …)`, which makes an attempt at a function of a module beside the configuration."""
    (tmp_path / "own_module.py").write_text(MODULE)

    def make(function: str, **job: object) -> Assignment:
        fields = {"isolated": True, "directory": str(tmp_path), **job}
        return make_assignment(python=f"own_module:{function}", **fields)

    return make


def result_of(tmp_path: Path, assignment: Assignment) -> Result:
    async def work() -> Result:
        async with an_executor(tmp_path, ProcessExecutor()) as executor:
            return await (await executor.start(assignment)).wait()

    return run_async(work)


def test_function_gets_the_folder_the_variables_and_the_umask(tmp_path: Path, python) -> None:
    (tmp_path / "sub").mkdir()
    assignment = python("see", cwd=str(tmp_path / "sub"), env={"MODE": "prod"}, umask="027")
    result = result_of(tmp_path, assignment)
    assert (result.exit_code, result.value) == (0, {"cwd": f"{tmp_path}/sub", "mode": "prod", "umask": 0o027})
    assert assignment.output.read_text() == "working\n"


def test_coroutine_function_runs_to_its_end(tmp_path: Path, python) -> None:
    assert result_of(tmp_path, python("give_later", kwargs={"value": [1, None]})).value == [1, None]


def test_exception_is_the_error_and_its_traceback_begins_in_the_module(tmp_path: Path, python) -> None:
    result = result_of(tmp_path, assignment := python("fail"))
    assert (result.exit_code, result.error) == (1, "ValueError: two lines")
    lines = assignment.output.read_text().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith(f'  File "{tmp_path}/own_module.py"')


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (None, 0), (3, 3), ("no disk", 1)])
def test_sys_exit_sets_the_exit_code(tmp_path: Path, python, code: object, expected: int) -> None:
    assert result_of(tmp_path, python("leave", args=[code])).exit_code == expected


def test_generator_function_is_refused(tmp_path: Path, python) -> None:
    assert "is a generator function" in (result_of(tmp_path, python("yield_one")).error or "")


def test_crash_of_the_interpreter_ends_only_the_run(tmp_path: Path, python) -> None:
    assert result_of(tmp_path, python("abort")).signal == 6


def test_function_that_hangs_is_ended(tmp_path: Path, python) -> None:
    async def work() -> Result:
        async with an_executor(tmp_path, ProcessExecutor()) as executor:
            execution = await executor.start(python("sleep"))
            await execution.cancel(timedelta(seconds=1))
            return await execution.wait()

    assert run_async(work).signal is not None


def test_value_is_found_by_the_next_daemon(tmp_path: Path, python) -> None:
    assignment = python("give_later", args=["kept"])

    async def work() -> object:
        async with an_executor(tmp_path, ProcessExecutor()) as executor:
            await (await executor.start(assignment)).wait()
        async with an_executor(tmp_path, ProcessExecutor()) as executor:
            return await executor.find(assignment, None)

    found = run_async(work)
    assert isinstance(found, Result)
    assert found.value == "kept"
