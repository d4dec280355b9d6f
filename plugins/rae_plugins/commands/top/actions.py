"""Actions on jobs: run, cancel, pause, resume and edit."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_auto.api import CommandContext
from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_plugins.commands.top.frame import ATTENTION_ACTIONS, MAX_ATTENTION_LINES, PANE_NAMES

if TYPE_CHECKING:
    from rae_auto.screens import Attention, JobRow, Overview

CONFIRM_SECONDS = 5.0

READ_ONLY = "--read-only: nothing is done to jobs here"

TYPED = ("run", "cancel", "pause", "resume")
"""The words that are typed for actions."""


class Confirmation:
    """Waits for a key to be pressed twice for the same thing."""

    def __init__(self) -> None:
        self._asked: tuple[str, float] | None = None

    def is_confirmed(self, what: str, now: float) -> bool:
        """Return whether this is the second press, at a time in seconds, which is soon after the first one."""
        asked = self._asked
        is_second = asked is not None and asked[0] == what and now - asked[1] <= CONFIRM_SECONDS
        self._asked = None if is_second else (what, now)
        return is_second


def describe_unknown(word: str) -> str:
    """Return why a typed word does nothing, and which ones do something."""
    known = (*TYPED, *PANE_NAMES, "quit")
    return f"unknown command {quote(word[:20])}; use one of {', '.join(known)}, each with a job or for the selected one"


def action_of_key(action: str, row: "JobRow") -> str:
    """Return what a key does to a job: the one for pauses resumes what is paused."""
    return "resume" if action == "pause" and row.activity == "paused" else action


def find_attention(overview: "Overview | None", number: int) -> "Attention | None":
    """Return what needs a person in the line of a number, if something can be done about it here."""
    shown = () if overview is None else overview.attention[:MAX_ATTENTION_LINES]
    found = shown[number - 1] if number <= len(shown) else None
    return found if found is not None and found.job and found.action.kind in ATTENTION_ACTIONS else None


async def act(
    context: CommandContext, action: str, job: str, *, run: str | None = None, is_read_only: bool
) -> tuple[str, bool]:
    """Do something to a job, or cancel one run of it; return a line about it, and whether it was done."""
    if is_read_only:
        return READ_ONLY, False
    try:
        return await _carry_out(context, action, job, run), True
    except (SchedulerError, OSError) as error:
        return "; ".join(str(error).splitlines()), False


async def _carry_out(context: CommandContext, action: str, job: str, run: str | None) -> str:
    if action == "run":
        return f"started {job}: run {(await _request(context, 'trigger', job=job))['run_id']}"
    if action == "cancel":
        answer = await _request(context, "cancel", **({"job": job} if run is None else {"run": run}))
        cancelled = ", ".join(answer["cancelled"])
        return f"cancelled {cancelled} of {job}" if cancelled else f"{job} has no open run"
    await _request(context, action, job=job)
    return f"{action}d {job}"


async def _request(context: CommandContext, command: str, **arguments: Any) -> Any:
    """Return the daemon's answer to a command."""

    def call() -> Any:
        with context.connect() as daemon:
            return daemon.call(command, **arguments)

    return await asyncio.to_thread(call)


def edit_command(job: str, config: Path | None) -> list[str]:
    """Return the command that opens the definition of a job in the editor."""
    options = [] if config is None else [f"--config={config}"]
    # -P: the working directory is not a place to import from.
    return [sys.executable, "-P", "-m", "rae_auto", "edit", *options, "--", job]
