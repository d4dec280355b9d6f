"""The thread executor: what functions return and raise, and what it means to cancel one."""

import threading
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.plugins.executors.conftest import playing

from rae_plugins.executors.thread import MAX_VALUE_CHARACTERS, ThreadExecutor

GATE = threading.Event()
BEGUN = threading.Event()


def give(value):
    return value


def fail():
    raise ValueError("two\nlines")


def fail_without_words():
    raise KeyboardInterrupt


def leave():
    raise SystemExit(3)


def an_object():
    return object


def too_much():
    return "x" * 10_000


def block():
    BEGUN.set()
    GATE.wait(60)


@asynccontextmanager
async def an_executor(tmp_path, **options):
    executor = ThreadExecutor(**options)
    await executor.open(tmp_path)
    try:
        yield executor
    finally:
        GATE.set()
        await executor.close()
        GATE.clear()
        BEGUN.clear()


def result_of(tmp_path, assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            return await (await executor.start(assignment)).wait()

    return playing(work)


@pytest.mark.parametrize("value", [None, 7, "text", [1, {"a": True}]])
def test_what_a_function_returns_is_kept(tmp_path, assigned, value):
    result = result_of(tmp_path, assigned(python=f"{__name__}:give", args=[value]))
    assert (result.exit_code, result.value, result.error) == (0, value, None)


def test_arguments_go_by_name_too(tmp_path, assigned):
    assert result_of(tmp_path, assigned(python=f"{__name__}:give", kwargs={"value": 3})).value == 3


def test_what_is_no_json_or_too_much_is_kept_as_its_beginning(tmp_path, assigned):
    assert result_of(tmp_path, assigned(python=f"{__name__}:an_object")).value == repr(object)
    assert len(result_of(tmp_path, assigned(python=f"{__name__}:too_much")).value) == MAX_VALUE_CHARACTERS


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("fail", "ValueError: two lines"),
        ("fail_without_words", "KeyboardInterrupt"),
        ("leave", "SystemExit: 3"),
        ("missing", "AttributeError: module"),
    ],
)
def test_what_it_raises_is_told_in_a_line_and_whole_in_its_output(tmp_path, assigned, function, error):
    assignment = assigned(python=f"{__name__}:{function}")
    result = result_of(tmp_path, assignment)
    assert result.exit_code == 1
    assert result.error.startswith(error)
    assert "Traceback" in assignment.output.read_text()


def test_a_module_that_is_not_there_is_told(tmp_path, assigned):
    result = result_of(tmp_path, assigned(python="no_such_module:function"))
    assert result.error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_job_without_a_function_is_told(tmp_path, assigned):
    with pytest.raises(ValueError, match="needs python ="):
        result_of(tmp_path, assigned("true"))


def test_a_call_that_has_not_begun_is_cancelled(tmp_path, assigned):
    async def work():
        async with an_executor(tmp_path, threads=1) as executor:
            await executor.start(assigned(python=f"{__name__}:block"))
            second = await executor.start(assigned(python=f"{__name__}:give", args=[1]))
            await second.cancel(timedelta(hours=1))
            return await second.wait(), second.handle

    result, handle = playing(work)
    assert result.error == "cancelled before it started"
    assert handle == {}


def test_a_call_that_runs_is_given_up_after_the_grace(tmp_path, assigned):
    async def work():
        async with an_executor(tmp_path) as executor:
            call = await executor.start(assigned(python=f"{__name__}:block"))
            assert BEGUN.wait(60)
            await call.cancel(timedelta(milliseconds=20))
            await call.cancel(timedelta(0))
            return await call.wait()

    assert "a thread cannot be killed" in playing(work).error
