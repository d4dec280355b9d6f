"""The command notifier: notices go to a command."""

import asyncio
import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.formatting import format_elapsed, quote
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.commands import working_directory
from rae_auto.toolkit.commands.posix import kill
from rae_auto.toolkit.environment import inherited_environment
from rae_auto.toolkit.notices import notice_record
from rae_auto.toolkit.programs import find_inherited_program_problem
from rae_plugins.machine.command_options import command_option, cwd_option


@frozen(kw_only=True)
class CommandNotifier(Notifier):
    """Runs a command with the notice as a JSON object on its standard input."""

    type: ClassVar[str] = "command"
    example: ClassVar[Mapping[str, Any]] = {"command": ["logger", "-t", "rae-auto"]}

    command: tuple[str, ...] = command_option()
    cwd: str | None = cwd_option()
    timeout: timedelta = field(
        default=timedelta(seconds=10),
        converter=parse_duration,
        metadata={"help": "time after which the command is killed"},
    )

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if the program can't be started now."""
        return tuple(filter(None, [find_inherited_program_problem(self.command[0], self.cwd)]))

    async def notify(self, notice: Notice) -> None:
        """Run the command. Errors: RuntimeError unless it ends with exit code 0 in time."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                cwd=working_directory(self.cwd),
                env=inherited_environment(os.environ),
                start_new_session=True,
            )
        except FileNotFoundError as error:
            program = quote(self.command[0])
            raise RuntimeError(f"program {program} not found; install it, or give its full path") from error
        except OSError as error:
            raise RuntimeError(f"program {quote(self.command[0])} can't be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                await process.communicate(json.dumps(notice_record(notice)).encode())
        except TimeoutError:
            raise RuntimeError(f"{quote(self.command[0])} took longer than {format_elapsed(self.timeout)}") from None
        finally:
            if process.returncode is None:
                await kill(process)
        if process.returncode:
            raise RuntimeError(f"{quote(self.command[0])} failed with exit code {process.returncode}")


@hookimpl
def rae_notifiers() -> list[type[Notifier]]:
    """Return the command notifier."""
    return [CommandNotifier]
