"""Running a command for its answer, as the toolkit does; on Windows in a job object, as the jobs themselves run."""

import sys
from collections.abc import Mapping, Sequence

from rae_auto.toolkit.commands import CommandResult, run_command
from rae_auto.toolkit.commands.contract import CommandRunner


def command_runner(platform: str = sys.platform) -> CommandRunner:
    """Return the adapter of a platform. Errors: OSError."""
    if platform == "win32":
        from rae_plugins.machine.commands.windows import JobObjectCommands  # lazy: start-up

        return JobObjectCommands()
    from rae_auto.toolkit.commands.posix import SessionCommands

    return SessionCommands()


async def run(
    words: Sequence[str],
    seconds: float,
    *,
    most: int | None = None,
    errors: bool = False,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> CommandResult:
    """Run a command as `toolkit.commands.run_command` does. Errors: CommandNotStarted, TimeoutError."""
    return await run_command(
        words,
        seconds,
        max_bytes=most,
        with_errors=errors,
        directory=cwd,
        environment=environment,
        runner=command_runner(),
    )
