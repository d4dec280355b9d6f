"""Running a command for its answer, with a time limit, without input, and without leaving processes behind."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rae_auto.paths import home_or_root
from rae_auto.toolkit.commands.contract import (
    MAX_OUTPUT_BYTES,
    CommandNotStarted,
    CommandRequest,
    CommandResult,
    CommandRunner,
)

__all__ = [
    "MAX_OUTPUT_BYTES",
    "CommandNotStarted",
    "CommandResult",
    "check_command",
    "run_command",
    "working_directory",
]


async def run_command(
    words: Sequence[str],
    seconds: float,
    *,
    max_bytes: int | None = None,
    with_errors: bool = False,
    directory: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    runner: CommandRunner | None = None,
) -> CommandResult:
    """Run a command within this many seconds; processes that it leaves behind are killed.

    No shell is involved, and it has no input. The result has its exit code and the end of its output, at most
    `MAX_OUTPUT_BYTES`; with `with_errors` the error stream is part of that. A command that prints more than `max_bytes`
    is killed. It runs in `directory`, by default the home directory, with the variables in `environment`, by default
    the few of the daemon that commands of plugins get. The same holds if this call is cancelled.

    Errors: CommandNotStarted if there is no such program, and on Windows without a `runner`, because nothing there ends
    a whole tree by itself; TimeoutError where it takes longer.

    Example, in `ReadGuard.read`:

        result = await run_command(["mountpoint", "-q", "/backup"], seconds=5)
        return GuardResult(Verdict.YES if result.code == 0 else Verdict.NO, "/backup is mounted")
    """
    import asyncio  # lazy: start-up

    from rae_auto.toolkit.environment import inherited_environment

    request = CommandRequest(
        words=words,
        directory=working_directory(directory),
        environment=inherited_environment(os.environ) if environment is None else environment,
        with_errors=with_errors,
        max_bytes=max_bytes,
    )
    async with asyncio.timeout(seconds):
        return await (runner or _choose_runner()).run(request)


def _choose_runner() -> CommandRunner:
    if sys.platform == "win32":
        # The built-in plugins bring job objects of their own.
        raise CommandNotStarted("Windows has no sessions to end; pass a runner that ends the whole tree")
    from rae_auto.toolkit.commands.posix import SessionCommands

    return SessionCommands()


def check_command(_plugin: object, attribute: Any, words: tuple[str, ...]) -> None:
    """Validate an option with the words of a command: a validator of attrs."""
    if not words or not words[0] or any(not isinstance(word, str) or "\0" in word for word in words):
        raise ValueError(
            f"'{attribute.name}' must be a list of words, of which the first names a program; none may hold a NUL"
        )


def working_directory(directory: str | Path | None) -> Path:
    """Return the working directory of a command: the home directory if there is none; users of services have none."""
    return home_or_root() if directory is None else Path(directory)
