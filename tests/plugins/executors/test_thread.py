"""The thread executor: results, exceptions and cancellation of functions."""

import sys
import threading
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from attrs import evolve
from tests.plugins.executors.conftest import run_async

from rae_auto.model.run import Result
from rae_plugins.executors.python_call import MAX_VALUE_CHARACTERS
from rae_plugins.executors.thread import ThreadExecutor

GATE = threading.Event()
STARTED = threading.Event()
BOTH = threading.Barrier(2)


def give(value):
    return value


def fail():
    raise ValueError("two\nlines")


def fail_without_words():
    raise KeyboardInterrupt


def complain():
    print("fine")
    print("careful", file=sys.stderr)


def leave():
    raise SystemExit(3)


def leave_well():
    print("done")
    raise SystemExit(0)


async def give_later(value):
    return value


def yield_one():
    yield 1


def print_lines(name):
    print(name, "out")
    BOTH.wait(60)
    print(name, "err", file=sys.stderr)


def an_object():
    return object


def too_much():
    return "x" * 10_000


def block():
    STARTED.set()
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
        STARTED.clear()


def result_of(tmp_path, assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            return await (await executor.start(assignment)).wait()

    return run_async(work)


@pytest.mark.parametrize("value", [None, 7, "text", [1, {"a": True}]])
def test_thread_keeps_the_returned_value(tmp_path, make_assignment, value):
    result = result_of(tmp_path, make_assignment(python=f"{__name__}:give", args=[value]))
    assert (result.exit_code, result.value, result.error) == (0, value, None)


def test_thread_makes_a_folder_for_output_when_something_is_printed(tmp_path, make_assignment):
    folder = tmp_path / "output" / "job"
    silent, loud = (
        evolve(make_assignment(python=f"{__name__}:{function}", **more), output=folder / "1.log")
        for function, more in (("give", {"args": [1]}), ("complain", {}))
    )
    assert (result_of(tmp_path, silent).exit_code, folder.exists()) == (0, False)
    assert (result_of(tmp_path, loud).exit_code, (folder / "1.log").read_text()) == (0, "fine\ncareful\n")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_thread_passes_keyword_arguments(tmp_path, make_assignment):
    assert result_of(tmp_path, make_assignment(python=f"{__name__}:give", kwargs={"value": 3})).value == 3


def test_thread_shortens_values_that_json_cannot_hold(tmp_path, make_assignment):
    assert result_of(tmp_path, make_assignment(python=f"{__name__}:an_object")).value == repr(object)
    assert len(result_of(tmp_path, make_assignment(python=f"{__name__}:too_much")).value) == MAX_VALUE_CHARACTERS


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("fail", "ValueError: two lines"),
        ("fail_without_words", "KeyboardInterrupt"),
    ],
)
def test_thread_reports_an_exception_and_writes_its_traceback(tmp_path, make_assignment, function, error):
    assignment = make_assignment(python=f"{__name__}:{function}")
    result = result_of(tmp_path, assignment)
    assert result.exit_code == 1
    assert result.error.startswith(error)
    text = assignment.output.read_text()
    assert "Traceback" in text
    assert "python_call.py" not in text
    assert "importlib" not in text


def test_thread_reports_the_first_line_of_standard_error(tmp_path, make_assignment):
    assert result_of(tmp_path, make_assignment(python=f"{__name__}:complain", fail_on=["stderr"])).stderr == "careful"
    assert result_of(tmp_path, make_assignment(python=f"{__name__}:leave_well", fail_on=["stderr"])).stderr is None


def test_thread_takes_sys_exit_as_an_interpreter_does(tmp_path, make_assignment):
    result = result_of(tmp_path, make_assignment(python=f"{__name__}:leave"))
    assert evolve(result, started_at=None) == Result(exit_code=3)
    result = result_of(tmp_path, assignment := make_assignment(python=f"{__name__}:leave_well"))
    assert (result.exit_code, result.error, assignment.output.read_text()) == (0, None, "done\n")


def test_thread_says_when_it_called_the_function(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path, threads=1) as executor:
            calls = [await executor.start(make_assignment(python="time:time")) for _ in range(2)]
            return [await call.wait() for call in calls]

    first, second = run_async(work)
    assert first.started_at.timestamp() <= first.value <= second.started_at.timestamp() <= second.value


def test_thread_runs_a_coroutine_function_to_its_end(tmp_path, make_assignment):
    assert result_of(tmp_path, make_assignment(python=f"{__name__}:give_later", args=[5])).value == 5


def test_thread_refuses_a_generator_function(tmp_path, make_assignment):
    result = result_of(tmp_path, make_assignment(python=f"{__name__}:yield_one"))
    assert "is a generator function" in result.error


def test_thread_captures_what_each_job_prints(tmp_path, make_assignment, capsys):
    both = [make_assignment(python=f"{__name__}:print_lines", args=[name]) for name in ("first", "second")]

    async def work():
        async with an_executor(tmp_path) as executor:
            print("the daemon")
            for call in [await executor.start(assignment) for assignment in both]:
                await call.wait()

    run_async(work)
    assert [assignment.output.read_text() for assignment in both] == [
        "first out\nfirst err\n",
        "second out\nsecond err\n",
    ]
    assert capsys.readouterr().out == "the daemon\n"


def test_thread_finds_modules_in_the_folder_of_the_job(tmp_path, make_assignment, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_the_file.py").write_text("def main():\n    return 'found'\n")
    assignment = make_assignment(python="beside_the_file:main", directory=str(tmp_path))
    assert result_of(tmp_path, assignment).value == "found"


def test_thread_reports_a_missing_function_without_frames(tmp_path, make_assignment):
    result_of(tmp_path, assignment := make_assignment(python=f"{__name__}:missing"))
    assert assignment.output.read_text().startswith("AttributeError: module")


def test_thread_reports_a_missing_module(tmp_path, make_assignment):
    result = result_of(tmp_path, make_assignment(python="no_such_module:function"))
    assert result.error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_thread_executor_refuses_a_job_without_a_function(tmp_path, make_assignment):
    with pytest.raises(ValueError, match="needs python ="):
        result_of(tmp_path, make_assignment("true"))


def test_thread_cancel_before_the_start_drops_the_call(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path, threads=1) as executor:
            await executor.start(make_assignment(python=f"{__name__}:block"))
            second = await executor.start(make_assignment(python=f"{__name__}:give", args=[1]))
            await second.cancel(timedelta(hours=1))
            return await second.wait(), second.handle

    result, handle = run_async(work)
    assert result.error == "cancelled before it started"
    assert handle == {}


def test_thread_cancel_abandons_a_running_call_after_the_grace(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            call = await executor.start(make_assignment(python=f"{__name__}:block"))
            assert STARTED.wait(60)
            await call.cancel(timedelta(milliseconds=20))
            await call.cancel(timedelta(0))
            return await call.wait()

    assert "a thread cannot be killed" in run_async(work).error
