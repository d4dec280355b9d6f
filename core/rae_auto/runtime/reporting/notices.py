"""The notices about ends of runs: the sentence, and the facts that help its reader."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

from attrs import frozen
from loguru import logger

from rae_auto.api.notifier import Notice
from rae_auto.api.store import LogQuery
from rae_auto.engine.effects import Notify
from rae_auto.model.job import Job
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.escaping import escape_text
from rae_auto.model.run import Run, RunState
from rae_auto.paths import output_path
from rae_auto.runtime.reporting.log_setup import hide, mask_hidden
from rae_auto.runtime.secrets import resolve_secrets

MAX_OUTPUT_LINES = 20
MAX_OUTPUT_BYTES = 4096
"""The end of the output that a notice has."""

EXAMINED_RUNS = 20
"""Number of the latest runs whose median is the usual duration."""


@frozen
class JobFacts:
    """Facts about a job when a run of it ended: unsuccessful runs in a row, and the next start."""

    failures: int = 0
    next_at: datetime | None = None


def notice_of(wish: Notify, zone: ZoneInfo | None = None, facts: JobFacts | None = None) -> Notice:
    """Return the notice about the end of a run, with the facts that are at hand without reading anything."""
    run, facts = wish.run, facts or JobFacts()
    assert run.finished_at is not None
    return Notice(
        kind=wish.kind,
        job=run.job,
        run=run.id,
        state=run.state,
        at=run.finished_at.astimezone(zone) if zone else run.finished_at,
        text=_text(wish.kind, run),
        host=socket.gethostname(),
        cause=run.cause.text,
        exit_code=run.exit_code,
        attempt=run.attempt,
        failures=facts.failures,
        duration=run.duration,
        next_at=facts.next_at.astimezone(zone) if facts.next_at and zone else facts.next_at,
    )


def _text(kind: NotifyOn, run: Run) -> str:
    if kind is NotifyOn.RECOVERY:
        return f"{run.job} succeeded again"
    why = run.reason.text if run.reason else (f"exit code {run.exit_code}" if run.exit_code else "")
    ended = run.state.text
    return f"{run.job} {ended}" + (f": {why}" if why and kind is NotifyOn.FAILURE else "")


async def read_output_end(directory: Path, job: Job, run: Run, environment: Mapping[str, str]) -> str:
    """Return the last lines that the latest attempt printed, escaped and without secrets; "" if there are none."""
    path = output_path(directory, run.job, run.id, run.attempt)

    def read_end_without_secrets() -> str:
        # An adopted run was started by another process, which alone has hidden its secrets.
        with suppress(ValueError):
            hide(resolve_secrets(job.env, environment, job.directory)[1])
        return mask_hidden(_read_end(path))

    return await asyncio.to_thread(read_end_without_secrets)


def _read_end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MAX_OUTPUT_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = text.splitlines()
    if size > MAX_OUTPUT_BYTES:
        # The first one may have lost its beginning.
        del lines[:1]
    return "\n".join(escape_text(line) for line in lines[-MAX_OUTPUT_LINES:])


async def usual_duration(job: str, runs: Callable[[LogQuery], Awaitable[list[Run]]]) -> timedelta | None:
    """Return the median duration of the latest runs that succeeded, None if there are none or they can't be read."""
    try:
        latest = await runs(LogQuery(job=job, states=(RunState.SUCCEEDED.value,), limit=EXAMINED_RUNS))
    except Exception as error:
        logger.debug("the usual duration of a job can't be read: {!r}", error)
        return None
    durations = [duration.total_seconds() for run in latest if (duration := run.duration) is not None]
    return timedelta(seconds=median(durations)) if durations else None
