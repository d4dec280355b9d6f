"""Actions on jobs: run, cancel, pause and edit."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_auto.api import CommandContext
from rae_auto.errors import SchedulerError
from rae_plugins.commands.top.frame import PANE_NAMES

if TYPE_CHECKING:
    from rae_auto.screens import JobRow

CONFIRM_SECONDS = 5.0

READ_ONLY = "--read-only: nothing is done to jobs here"


class Confirmation:
    """Waits for a key to be pressed twice for the same job."""

    def __init__(self) -> None:
        self._asked: tuple[str, float] | None = None

    def is_confirmed(self, job: str, now: float) -> bool:
        """Return whether this is the second press, at a time in seconds, which is soon after the first one."""
        asked = self._asked
        is_second = asked is not None and asked[0] == job and now - asked[1] <= CONFIRM_SECONDS
        self._asked = None if is_second else (job, now)
        return is_second


async def request(context: CommandContext, command: str, **arguments: Any) -> Any:
    """Return the daemon's answer to a command."""

    def call() -> Any:
        with context.connect() as daemon:
            return daemon.call(command, **arguments)

    return await asyncio.to_thread(call)


async def run_job(context: CommandContext, row: "JobRow") -> str:
    """Start a job; return a line about the result."""
    return f"started {row.job}: run {(await request(context, 'trigger', job=row.job))['run_id']}"


async def cancel_runs(context: CommandContext, row: "JobRow") -> str:
    """Cancel the open runs of a job; return a line about the result."""
    if not row.open_runs:
        return f"{row.job} has no open run"
    cancelled = (await request(context, "cancel", job=row.job))["cancelled"]
    return f"cancelled {', '.join(cancelled) or 'nothing'} of {row.job}"


async def toggle_pause(context: CommandContext, row: "JobRow") -> str:
    """Pause a job, or resume it; return a line about the result."""
    command, done = ("resume", "resumed") if row.activity == "paused" else ("pause", "paused")
    await request(context, command, job=row.job)
    return f"{done} {row.job}"


ACTIONS: dict[str, Callable[[CommandContext, "JobRow"], Any]] = {
    "run": run_job,
    "cancel": cancel_runs,
    "pause": toggle_pause,
}


TYPED = {"trigger": "run", "cancel": "cancel", "pause": "pause"}
"""The words that are typed for actions, those of the command line; "run" is the name of a pane."""


def describe_refusal(typed: str) -> str:
    """Return why a typed word does nothing: it is unknown, or takes no name."""
    if typed in TYPED:
        return f"these jobs match; ':{typed}' alone is for the selected one"
    return f'unknown command "{typed[:20]}"; use one of {", ".join([*TYPED, *PANE_NAMES, "quit"])}'


async def act(context: CommandContext, action: str, row: "JobRow", *, is_read_only: bool) -> tuple[str, bool]:
    """Do something to a job; return a line about it, and whether it was done."""
    if is_read_only:
        return READ_ONLY, False
    try:
        return await ACTIONS[action](context, row), True
    except (SchedulerError, OSError) as error:
        return "; ".join(str(error).splitlines()), False


def edit_command(job: str, config: Path | None) -> list[str]:
    """Return the command that opens the definition of a job in the editor."""
    options = [] if config is None else [f"--config={config}"]
    # -P: the working directory is not a place to import from.
    return [sys.executable, "-P", "-m", "rae_auto", "edit", *options, "--", job]
