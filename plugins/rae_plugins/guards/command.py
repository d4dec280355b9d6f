"""Says yes where a command succeeds."""

import signal
from datetime import timedelta
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.validators import longer_than_nothing
from rae_plugins.guards.lines import shown
from rae_plugins.machine.commands import CantStart, can_be_run, commands_missing, run

MOST = timedelta(seconds=9)
"""Nobody waits longer than ten for the answer of a guard."""


@frozen(kw_only=True)
class CommandGuard(ReadGuard):
    """Says yes where a command ends with exit code 0, no where it ends with another one."""

    type: ClassVar[str] = "command"

    command: tuple[str, ...] = field(
        converter=tuple, validator=can_be_run, metadata={"help": "the words of the command; never a shell"}
    )
    timeout: timedelta = field(
        default=MOST,
        converter=parse_duration,
        validator=longer_than_nothing(MOST, "let a job do what takes longer, and name it in needs"),
        metadata={"help": "after which it is killed"},
    )

    @classmethod
    def available(cls) -> str | None:
        """Not without sessions and signals."""
        return commands_missing()

    async def read(self) -> GuardResult:
        """Run it, and judge how it ends."""
        name = shown(self.command[0])
        try:
            ended = await run(self.command, self.timeout.total_seconds(), errors=True)
        except CantStart as problem:
            return GuardResult(Verdict.UNKNOWN, f"{name} can't be started: {shown(str(problem))}")
        except TimeoutError:
            return GuardResult(Verdict.UNKNOWN, f"{name} took longer than {format_duration(self.timeout)}")
        return _judged(name, ended.code, ended.output.decode(errors="replace"))


def _judged(name: str, code: int, output: str) -> GuardResult:
    last = next((line.strip() for line in reversed(output.split("\n")) if line.strip()), "")
    printed = f": {shown(last)}" if last else ""
    if code < 0:
        return GuardResult(Verdict.UNKNOWN, f"{name} was killed by {_signal(-code)}{printed}")
    if code == 0:
        return GuardResult(Verdict.YES, f"{name} succeeded{printed}")
    return GuardResult(Verdict.NO, f"{name} ended with exit code {code}{printed}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """The command guard."""
    return [CommandGuard]
