"""The notices that notifiers get: the engine's decision to notify, with facts that help the reader."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from attrs import evolve, frozen
from loguru import logger

from rae_auto.api.notifier import Notice
from rae_auto.api.store import LogQuery
from rae_auto.model.job import Job
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.escaping import escape_text
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Run, RunState
from rae_auto.paths import output_path
from rae_auto.runtime.reporting.log_setup import hide, mask_hidden
from rae_auto.runtime.secrets import resolve_job

MAX_OUTPUT_LINES = 20
MAX_OUTPUT_BYTES = 4096
"""The end of the output that a notice has."""

EXAMINED_RUNS = 20
"""Number of the latest runs whose median is the usual duration."""


def make_notice(decided: OutboxNotice, zone: ZoneInfo | None = None) -> Notice:
    """Return the notice that a notifier gets, with the facts that were known when it was decided."""
    return Notice(
        id=decided.id,
        kind=decided.kind,
        job=decided.job,
        run=decided.run,
        state=decided.state,
        at=decided.at.astimezone(zone) if zone else decided.at,
        text=mask_hidden(decided.text),
        host=socket.gethostname(),
        cause=decided.cause,
        exit_code=decided.exit_code,
        attempt=decided.attempt,
        failures=decided.failures,
        duration=decided.duration,
        left_out=decided.left_out,
    )


def sum_up(notices: Sequence[Notice], batch: str) -> Notice:
    """Return one notice that replaces several; it is as urgent as the most urgent of them."""
    first = next((notice for notice in notices if not notice.kind.is_good), notices[0])
    jobs = {notice.job for notice in notices}
    kinds = Counter(notice.kind.value for notice in notices)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    about = next(iter(jobs)) if len(jobs) == 1 else f"{len(jobs)} jobs"
    return Notice(
        id=batch,
        kind=first.kind,
        job=first.job if len(jobs) == 1 else JobId(""),
        at=max(notice.at for notice in notices),
        text=f"{format_count(len(notices), 'notice')} about {about}: {counted}",
        host=first.host,
        left_out=sum(notice.left_out for notice in notices),
        notices=tuple(notices),
    )


@frozen
class NoticeDescriber:
    """Completes notices with facts of the moment in which they are delivered.

    `runs` finds runs, `zone` is the configured time zone, `find_job` a job as loaded, `next_at` its next start.
    """

    directory: Path
    environment: Mapping[str, str]
    runs: Callable[[LogQuery], Awaitable[list[Run]]]
    zone: Callable[[], ZoneInfo]
    find_job: Callable[[JobId], Job | None]
    next_at: Callable[[JobId], datetime | None]

    async def describe(self, decided: Sequence[OutboxNotice]) -> Notice:
        """Return the notice that is delivered for those of the outbox: itself, or one that sums them up."""
        if len(decided) == 1:
            notice = await self._describe_one(decided[0])
        else:
            notice = sum_up([make_notice(one, self.zone()) for one in decided], decided[0].batch)
        return evolve(notice, state_directory=str(self.directory))

    async def _describe_one(self, decided: OutboxNotice) -> Notice:
        notice, job = make_notice(decided, self.zone()), self.find_job(decided.job)
        if job is None:
            return notice
        next_at = self.next_at(job.id)
        notice = evolve(notice, next_at=next_at and next_at.astimezone(self.zone()))
        if not decided.run:
            return notice
        return evolve(
            notice,
            output=await read_output_end(self.directory, job, decided, self.environment),
            usual_duration=await usual_duration(job.id, self.runs),
        )


async def read_output_end(directory: Path, job: Job, decided: OutboxNotice, environment: Mapping[str, str]) -> str:
    """Return the last lines that the latest attempt printed, escaped and without secrets; "" if there are none."""
    path = output_path(directory, decided.job, decided.run, decided.attempt)

    def read_end_without_secrets() -> str:
        # An adopted run was started by another process, which alone has hidden its secrets.
        with suppress(ValueError):
            hide(resolve_job(job, environment, run_programs=False).secrets)
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
    if not durations:
        return None
    from statistics import median  # lazy: memory, asked for rarely

    return timedelta(seconds=median(durations))
