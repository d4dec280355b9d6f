"""The contract of commands that are run for their answer, and its values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

MAX_OUTPUT_BYTES = 4096
"""Bytes of the end of what a command prints."""


class CommandNotStarted(Exception):
    """The program doesn't exist or can't be started; the text says why."""


@frozen
class CommandResult:
    """End of a command, with the last part of its output and the number of bytes in all."""

    code: int
    output: bytes
    printed: int


@frozen(kw_only=True)
class CommandRequest:
    """A command to run: where, with which variables, and what of it is read.

    With `with_errors` its error stream counts as output. One that prints more than `max_bytes` is killed.
    """

    words: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    with_errors: bool = False
    max_bytes: int | None = None


class CommandRunner(Protocol):
    """Runs commands without input. All that one has started is killed when it ends, or when the call is cancelled."""

    async def run(self, request: CommandRequest) -> CommandResult:
        """Run a command until it ends. Errors: CommandNotStarted."""
        ...


class OutputEnd:
    """The end of what a command has printed so far."""

    def __init__(self, max_bytes: int | None) -> None:
        self.data = bytearray()
        self.printed = 0
        self._max_bytes = max_bytes

    def add(self, part: bytes) -> None:
        """Take in a further part."""
        self.printed += len(part)
        self.data += part
        del self.data[:-MAX_OUTPUT_BYTES]

    @property
    def is_too_long(self) -> bool:
        """True once more was printed than the request allows."""
        return self._max_bytes is not None and self.printed > self._max_bytes

    def make_result(self, code: int) -> CommandResult:
        """Return the result of a command that has ended."""
        return CommandResult(code, bytes(self.data), self.printed)
