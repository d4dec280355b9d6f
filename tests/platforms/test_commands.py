"""The contract of commands that are run for their answer: the real platform, and job objects over a stand-in."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.waiting import eventually, until

from rae_auto.toolkit.commands import MAX_OUTPUT_BYTES
from rae_auto.toolkit.commands.contract import CommandNotStarted, CommandRequest, CommandResult, CommandRunner
from rae_auto.toolkit.environment import inherited_environment
from rae_plugins.machine.commands import command_runner

RUNNERS = ["of the platform", *([] if sys.platform == "win32" else ["job objects"])]


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> CommandRunner:
    if request.param == "of the platform":
        return command_runner()
    from tests.support.kernel32_stand_in import Kernel32StandIn

    from rae_plugins.executors.process.keeper.windows.kernel32 import Kernel32
    from rae_plugins.machine.commands.windows import JobObjectCommands

    stand_in = Kernel32StandIn()
    return JobObjectCommands(Kernel32(stand_in), stand_in.create_suspended)


@pytest.fixture
def run(runner: CommandRunner, tmp_path: Path) -> Any:
    """Runs a Python program, and returns its result."""

    def run_program(
        program: str, *words: str, seconds: float = 50, late_when: Callable[[], bool] = lambda: False, **changes: Any
    ) -> CommandResult:
        known = {
            "words": (sys.executable, "-c", program, *words),
            "directory": tmp_path,
            "environment": inherited_environment(os.environ),
        }

        async def wait() -> CommandResult:
            async with asyncio.timeout(seconds) as limit:
                expiring = asyncio.create_task(expire(limit, late_when))
                try:
                    return await runner.run(CommandRequest(**known | changes))
                finally:
                    expiring.cancel()

        return asyncio.run(wait())

    return run_program


async def expire(limit: asyncio.Timeout, late_when: Callable[[], bool]) -> None:
    """Let the time be over as soon as a condition holds."""
    await until(late_when)
    limit.reschedule(0)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


START_ANOTHER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
with open(sys.argv[1], "w") as file:
    file.write(str(child.pid))
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("code", [0, 3, 77])
def test_command_gives_its_exit_code_and_output(run, code):
    result = run(f"print('answer', flush=True); raise SystemExit({code})")
    assert (result.code, result.output.split()) == (code, [b"answer"])
    assert result.printed == len(result.output)


def test_command_of_which_the_end_is_kept(run):
    result = run("import sys; sys.stdout.write('x' * 300_000 + 'end')")
    assert result.printed == 300_003
    assert len(result.output) == MAX_OUTPUT_BYTES
    assert result.output.endswith(b"xend")


@pytest.mark.parametrize(("with_errors", "expected"), [(True, b"wrong"), (False, b"")])
def test_command_has_its_errors_read_where_they_are_wanted(run, with_errors, expected):
    assert run("import sys; sys.stderr.write('wrong')", with_errors=with_errors).output == expected


def test_command_has_an_empty_input_its_directory_and_variables(run, tmp_path):
    code = "import os, sys; print(repr(sys.stdin.read()), os.getcwd(), os.environ['WORD'])"
    environment = {**inherited_environment(os.environ), "WORD": "spoken"}
    text = run(code, environment=environment).output.decode()
    assert text.split()[0] == "''"
    assert os.path.samefile(text.split()[1], tmp_path)
    assert text.split()[2] == "spoken"


def test_command_that_is_not_there_is_not_started(run):
    with pytest.raises(CommandNotStarted):
        run("", words=("there-is-no-such-program",))


def test_command_that_takes_too_long_ends_with_its_children(run, tmp_path):
    noted = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        run(START_ANOTHER, str(noted), "100", late_when=lambda: noted.exists() and noted.read_text() != "")
    pid = int(noted.read_text())
    eventually(lambda: is_gone(pid))


def test_command_leaves_nothing_behind(run, tmp_path):
    noted = tmp_path / "pid"
    started = time.monotonic()
    assert run(START_ANOTHER, str(noted), "0").code == 0
    assert time.monotonic() - started < 50
    pid = int(noted.read_text())
    eventually(lambda: is_gone(pid))


def test_command_that_prints_without_an_end_is_killed(run):
    result = run("while True: print('x' * 1000)", max_bytes=100_000)
    assert result.code != 0
    assert result.printed > 100_000


def test_commands_run_beside_each_other(runner, tmp_path):
    async def run_many() -> list[int]:
        requests = [
            CommandRequest(
                words=(sys.executable, "-c", f"raise SystemExit({number})"),
                directory=tmp_path,
                environment=inherited_environment(os.environ),
            )
            for number in range(6)
        ]
        return [result.code for result in await asyncio.gather(*map(runner.run, requests))]

    assert asyncio.run(run_many()) == list(range(6))
