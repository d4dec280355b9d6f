"""Tells people by running a command."""

import asyncio
import json
from datetime import timedelta
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_plugins.machine.commands import can_be_run, kill


@frozen(kw_only=True)
class CommandNotifier(Notifier):
    """Runs a command with the notice as a JSON object on its standard input."""

    type: ClassVar[str] = "command"

    command: tuple[str, ...] = field(
        converter=tuple, validator=can_be_run, metadata={"help": "the words of the command; never a shell"}
    )
    timeout: timedelta = field(
        default=timedelta(seconds=10), converter=parse_duration, metadata={"help": "after which it is killed"}
    )

    async def notify(self, notice: Notice) -> None:
        """Run the command; anything but exit code 0 in time is an error."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                await process.communicate(_document(notice))
        except TimeoutError:
            raise RuntimeError(f"{self.command[0]} took longer than {format_duration(self.timeout)}") from None
        finally:
            if process.returncode is None:
                await kill(process)
        if process.returncode:
            raise RuntimeError(f"{self.command[0]} ended with exit code {process.returncode}")


def _document(notice: Notice) -> bytes:
    document: dict[str, Any] = {
        "kind": notice.kind.value,
        "job": notice.job,
        "run_id": notice.run,
        "state": notice.state.value,
        "at": notice.at.isoformat(),
        "text": notice.text,
        "exit_code": notice.exit_code,
        "attempt": notice.attempt,
    }
    return json.dumps(document).encode()


@hookimpl
def rae_notifiers() -> list[type[Notifier]]:
    """The command notifier."""
    return [CommandNotifier]
