"""The daemon's event stream, followed over restarts of the daemon."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from rae_auto.errors import DaemonUnreachable, SchedulerError

FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 2.0
STANDBY_SECONDS = 3.0
"""Time between two looks at a store whose leader is elsewhere, as its events are."""

GONE = "The daemon has stopped; this is what it said last. Waiting for it to come back …"

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:\d\d")
MET_AGAIN = {"overdue": "is no longer overdue", "overrun": "no longer runs for longer than expected"}


class Link(Enum):
    """A change of the connection."""

    UP = "up"
    DOWN = "down"


async def follow_daemon(directory: Path) -> AsyncIterator[Link | Mapping[str, Any]]:
    """Yield the daemon's events; `Link.DOWN` when it has gone, and `Link.UP` whenever it answers again."""
    from rae_auto import connect  # lazy: start-up

    delay, is_down = FIRST_RETRY_SECONDS, False
    while True:
        try:
            async with connect(directory) as scheduler:
                yield Link.UP
                delay, is_down = FIRST_RETRY_SECONDS, False
                async for event in scheduler.events():
                    yield event
        except (DaemonUnreachable, SchedulerError, OSError, ValueError):
            pass
        if not is_down:
            is_down = True
            yield Link.DOWN
        await asyncio.sleep(delay)
        delay = min(delay * 2, LAST_RETRY_SECONDS)


def job_of(event: Mapping[str, Any]) -> str | None:
    """Return the job that an event is about."""
    run = event.get("run")
    name = run.get("job") if isinstance(run, Mapping) else event.get("job")
    return name if isinstance(name, str) else None


def sentence_of(event: Mapping[str, Any], time: Callable[[datetime], str]) -> str | None:
    """Return what happened, in one sentence with instants as `time` has them; None for what isn't worth a line."""
    sentence = _sentence_of(event)
    # The stream is for programs: its sentences have instants in ISO 8601.
    return sentence and INSTANT.sub(lambda found: time(datetime.fromisoformat(found[0])), sentence)


def _sentence_of(event: Mapping[str, Any]) -> str | None:
    kind, job = event.get("kind"), job_of(event)
    if kind == "run":
        return _sentence_of_run(event["run"])
    if kind == "job":
        return f"{job} was {event.get('change')}"
    if kind == "decision":
        # A decision to run is followed by the run itself.
        return f"{job} was skipped: {event['text']}" if event["outcome"] == "skip" else None
    if event.get("over") and kind in MET_AGAIN:
        return f"{job} {MET_AGAIN[kind]}"
    text = event.get("text")
    return f"{job}: {text}" if job and text else None


def _sentence_of_run(run: Mapping[str, Any]) -> str | None:
    state, job = str(run["state"]), run["job"]
    if state == "starting":
        return None
    words = {
        "queued": "waits to start",
        "running": "has started",
        "retrying": "failed and will be retried",
        "lost": "was lost",
        "timed_out": "timed out",
    }
    said = words.get(state, f"was {state}" if state in ("cancelled", "interrupted", "skipped") else state)
    reason = run.get("reason_text") or (f"exit code {run['exit_code']}" if run.get("exit_code") else "")
    return f"{job} {said}{f': {reason}' if reason and state not in ('running', 'succeeded') else ''}"
