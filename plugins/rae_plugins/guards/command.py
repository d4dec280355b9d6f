"""Says yes where a command succeeds."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import Answer, ReadGuard, Says
from rae_auto.hookspecs import hookimpl
from rae_auto.model.units import format_duration, parse_duration
from rae_plugins.guards.lines import shown

MOST = timedelta(seconds=9)
"""Nobody waits longer than ten for the answer of a guard."""

KEPT = 4096
"""Bytes of the end of what the command prints."""

_PIPE = 1 << 16
_PIPEFULS = 16
"""A pipe holds a megabyte at most."""


def _can_be_run(_guard: object, _field: object, words: tuple[str, ...]) -> None:
    if not words or not words[0] or any("\0" in word for word in words):
        raise ValueError("'command' must be a list of words, of which the first names a program; none may hold a NUL")


def _short(_guard: object, _field: object, value: timedelta) -> None:
    if not timedelta(0) < value <= MOST:
        raise ValueError(
            f"'timeout' must be more than 0s and at most {format_duration(MOST)}; "
            "let a job do what takes longer, and name it in needs"
        )


@frozen(kw_only=True)
class CommandGuard(ReadGuard):
    """Says yes where a command ends with exit code 0, no where it ends with another one."""

    type: ClassVar[str] = "command"

    command: tuple[str, ...] = field(
        converter=tuple, validator=_can_be_run, metadata={"help": "the words of the command; never a shell"}
    )
    timeout: timedelta = field(
        default=MOST, converter=parse_duration, validator=_short, metadata={"help": "after which it is killed"}
    )

    async def read(self) -> Says:
        """Run it, in a session of its own; whatever is left of its group afterwards is killed."""
        name = shown(self.command[0])
        seconds = self.timeout.total_seconds()
        with _Tail() as tail:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=DEVNULL,
                    stdout=tail.writing,
                    stderr=tail.writing,
                    cwd=_directory(),
                    start_new_session=True,
                )
            except (OSError, ValueError, RuntimeError) as error:
                problem = (error.strerror if isinstance(error, OSError) else None) or str(error)
                return Says(Answer.UNKNOWN, f"{name} can't be started: {shown(problem)}")
            try:
                code = await asyncio.wait_for(process.wait(), seconds)
            except TimeoutError:
                return Says(Answer.UNKNOWN, f"{name} took longer than {format_duration(self.timeout)}")
            finally:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            return _judged(name, code, tail.text())


def _directory() -> Path:
    """The home directory, as for jobs; users of services may have none."""
    home = Path.home()
    return home if home.is_dir() else Path("/")


class _Tail:
    """A pipe for what the command prints, read all the time, of which the end is kept.

    asyncio's own would be waited for until all have closed it, also those whom the command has left behind.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)

    def __enter__(self) -> "_Tail":
        asyncio.get_running_loop().add_reader(self._reading, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)
        os.close(self.writing)

    def text(self) -> str:
        """The end of it, after what is still in the pipe."""
        for _ in range(_PIPEFULS):
            if not self._read():
                break
        return self._kept.decode(errors="replace")

    def _read(self) -> bool:
        try:
            part = os.read(self._reading, _PIPE)
        except BlockingIOError:
            return False
        self._kept += part
        del self._kept[:-KEPT]
        return True


def _judged(name: str, code: int, output: str) -> Says:
    last = next((line.strip() for line in reversed(output.split("\n")) if line.strip()), "")
    printed = f": {shown(last)}" if last else ""
    if code < 0:
        return Says(Answer.UNKNOWN, f"{name} was killed by {_signal(-code)}{printed}")
    if code == 0:
        return Says(Answer.YES, f"{name} succeeded{printed}")
    return Says(Answer.NO, f"{name} ended with exit code {code}{printed}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """The command guard."""
    return [CommandGuard]
