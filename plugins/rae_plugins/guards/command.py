"""The command guard: a run may start if a command succeeds."""

import signal
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short, shorten_line
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.commands import CommandNotStarted
from rae_auto.toolkit.programs import find_inherited_program_problem
from rae_auto.toolkit.validators import positive_duration
from rae_plugins.machine.command_options import command_option, cwd_option
from rae_plugins.machine.commands import run

MAX_TIMEOUT = timedelta(seconds=9)
"""The daemon waits 10 s for a guard."""


@frozen(kw_only=True)
class CommandGuard(ReadGuard):
    """Answers yes if a command ends with exit code 0, and no if it ends with another one."""

    type: ClassVar[str] = "command"
    example: ClassVar[Mapping[str, Any]] = {"command": ["test", "-e", "/mnt/backup/ready"]}

    command: tuple[str, ...] = command_option()
    cwd: str | None = cwd_option()
    timeout: timedelta = field(
        default=MAX_TIMEOUT,
        converter=parse_duration,
        validator=positive_duration(MAX_TIMEOUT, 'for a longer check use a job, and name it in "needs"'),
        metadata={"help": "time after which the command is killed, at most 9s"},
    )

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if the program can't be started now."""
        return tuple(filter(None, [find_inherited_program_problem(self.command[0], self.cwd)]))

    async def read(self) -> GuardResult:
        """Run the command, and judge by its end."""
        name = quote_short(self.command[0])
        try:
            result = await run(self.command, self.timeout.total_seconds(), errors=True, cwd=self.cwd)
        except CommandNotStarted as error:
            return GuardResult(Verdict.UNKNOWN, f"{name} cannot be started: {shorten_line(str(error))}")
        except TimeoutError:
            return GuardResult(Verdict.UNKNOWN, f"{name} took longer than {format_elapsed(self.timeout)}")
        return _judge(name, result.code, result.output.decode(errors="replace"))


def _judge(name: str, code: int, output: str) -> GuardResult:
    last_line = next((line.strip() for line in reversed(output.split("\n")) if line.strip()), "")
    printed = f": {shorten_line(last_line)}" if last_line else ""
    if code < 0:
        return GuardResult(Verdict.UNKNOWN, f"{name} was killed by {_signal_name(-code)}{printed}")
    if code == 0:
        return GuardResult(Verdict.YES, f"{name} succeeded{printed}")
    return GuardResult(Verdict.NO, f"{name} failed with exit code {code}{printed}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """Return the command guard."""
    return [CommandGuard]
