"""The wait of `rae-auto stop`: what it waits for, and how that ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import quote_some
from rae_auto.model.shutdown_texts import describe_ends, describe_wait
from rae_auto.views.tables import on_terminal

PROGRESS_SECONDS = 1.0
"""Time between updates of the line that says what the command waits for."""

HINT = "press Ctrl-C to end it now"


def wait_for_stop(client: Client, answer: Mapping[str, Any], connect: Callable[[], Client]) -> str:
    """Wait until the daemon that has answered to "stop" is gone; return a line on what it did.

    Ctrl-C ends the runs that it waits for. `connect` returns another connection, for that.
    """
    outcome: Mapping[str, Any] = answer
    if jobs := answer.get("waits_for", ()):
        try:
            outcome = _wait(client, jobs, answer["grace_seconds"], connect)
        except DaemonUnreachable:
            # It has ended meanwhile, by its deadline for instance.
            outcome = {"left": jobs, "keeps": answer.get("keeps", ())}
    client.wait_closed()
    return escape_line(_describe(outcome))


def _wait(client: Client, jobs: Sequence[str], grace_seconds: float, connect: Callable[[], Client]) -> Any:
    """Return the outcome of the stop, and show meanwhile what it waits for."""
    started_at, is_redrawn = time.monotonic(), on_terminal()
    client.send("wait_stopped")
    is_ending = not grace_seconds
    if is_ending:
        click.echo(escape_line(f"ending {quote_some(jobs)}"), err=True)
    else:
        click.echo(_progress(jobs, grace_seconds, 0), nl=not is_redrawn, err=True)
    while True:
        try:
            outcome = client.receive(PROGRESS_SECONDS if is_redrawn else None)
        except KeyboardInterrupt:
            if is_ending:
                raise
            is_ending = True
            with connect() as other:
                other.call("stop", now=True)
            click.echo(f"{_clear(is_redrawn)}{escape_line(f'ending {quote_some(jobs)}')}", err=True)
            continue
        if outcome is not None:
            click.echo(_clear(is_redrawn and not is_ending), nl=False, err=True)
            return outcome
        if not is_ending:
            waited = time.monotonic() - started_at
            click.echo(f"{_clear(True)}{_progress(jobs, grace_seconds, waited)}", nl=False, err=True)


def _progress(jobs: Sequence[str], grace_seconds: float, waited: float) -> str:
    return escape_line(f"{describe_wait(jobs, grace_seconds, waited)}; {HINT}")


def _clear(is_redrawn: bool) -> str:
    """Return what makes a terminal write over its last line."""
    return "\r\x1b[K" if is_redrawn else ""


def _describe(outcome: Mapping[str, Any]) -> str:
    parts = []
    if ended := outcome.get("ended"):
        parts.append(describe_ends((run["job"], run["state"]) for run in ended))
    if left := outcome.get("left"):
        parts.append(f"{quote_some(left)} had not ended, so the next daemon ends what is left")
    if kept := outcome.get("keeps"):
        parts.append(f"still running, for the next daemon to take over: {quote_some(kept)}")
    return "; ".join(["stopped: " + parts[0], *parts[1:]]) if parts else "stopped"
