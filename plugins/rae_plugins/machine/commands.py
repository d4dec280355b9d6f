"""Running a command for its answer: within a time, without input, and nothing of it stays behind."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.paths import home_or_root
from rae_auto.toolkit.environment import inherited_environment

MAX_OUTPUT_BYTES = 4096
"""Bytes of the end of what a command prints."""

_PIPE = 1 << 16
_MAX_PIPE_READS = 16
"""A pipe holds a megabyte at most."""


class CommandNotStarted(Exception):
    """There is no such program, or it can't be started; the text says why."""


@frozen
class CommandResult:
    """End of a command, with the last part of its output and the number of bytes in all."""

    code: int
    output: bytes
    printed: int


def check_command(_plugin: object, attribute: Any, words: tuple[str, ...]) -> None:
    """Validate an option with the words of a command."""
    if not words or not words[0] or any(not isinstance(word, str) or "\0" in word for word in words):
        raise ValueError(
            f"'{attribute.name}' must be a list of words, of which the first names a program; none may hold a NUL"
        )


def commands_missing() -> str | None:
    """Why `run` can't serve on this platform, or None if it can."""
    return "it needs a POSIX system" if os.name == "nt" else None


async def run(
    words: Sequence[str],
    seconds: float,
    *,
    most: int | None = None,
    errors: bool = False,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> CommandResult:
    """Run it in a session of its own; whatever is left of that afterwards is killed.

    With `errors` its error stream counts as output. One that prints more than `most` bytes is killed.
    `cwd` is its working directory, by default the home directory; `environment` replaces what commands of plugins get.
    Errors: CommandNotStarted; TimeoutError where it takes longer.
    """
    with _Tail(most) as tail:
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=DEVNULL,
                stdout=tail.writing,
                stderr=tail.writing if errors else DEVNULL,
                cwd=working_directory(cwd),
                env=inherited_environment(os.environ) if environment is None else environment,
                start_new_session=True,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CommandNotStarted((error.strerror if isinstance(error, OSError) else None) or str(error)) from None
        tail.process = process
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        finally:
            await kill(process)
        tail.read_output()
        return CommandResult(code, bytes(tail.data), tail.printed)


async def kill(process: Process) -> None:
    """Kill one that leads a session, with all that are still in that."""
    _kill(process)
    await asyncio.shield(process.wait())


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":  # pragma: no cover - there are no sessions there
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def working_directory(cwd: str | None) -> Path:
    """Return the working directory of a command: the home directory if there is none; users of services have none."""
    return home_or_root() if cwd is None else Path(cwd)


class _Tail:
    """A pipe for what the command prints, read all the time, of which the end is stored.

    asyncio's own would be waited for until all have closed it, also those whom the command has left behind.
    """

    process: Process | None = None

    def __init__(self, most: int | None) -> None:
        self.data = bytearray()
        self.printed = 0
        self._most = most
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)

    def __enter__(self) -> "_Tail":
        asyncio.get_running_loop().add_reader(self._reading, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)
        os.close(self.writing)

    def read_output(self) -> None:
        """Take what is still in the pipe."""
        for _ in range(_MAX_PIPE_READS):
            if not self._read():
                break

    def _read(self) -> bool:
        try:
            part = os.read(self._reading, _PIPE)
        except BlockingIOError:
            return False
        self.printed += len(part)
        self.data += part
        del self.data[:-MAX_OUTPUT_BYTES]
        if self._most is not None and self.printed > self._most and self.process is not None:
            _kill(self.process)
        return True
