"""The list of jobs: each with its state, its next and its last start, how long it took, and its last occurrences."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import field, frozen

from rae_auto.model.figures.durations import UsualDuration
from rae_auto.model.primitives.formatting import format_count, time_format
from rae_auto.model.run import RunState
from rae_auto.views.screens.job_page import OccurrenceMark, newest_marks
from rae_auto.views.screens.parts.base import Extent, ScreenBase, local_times
from rae_auto.views.screens.parts.durations import find_usual_durations
from rae_auto.views.screens.parts.record_source import RUNS, SKIPS, RecordSource

MARKS_SHOWN = 10
"""The number of the latest occurrences of a job in its row."""


@frozen(kw_only=True)
class JobHistory:
    """The newest records of a job."""

    usual: UsualDuration | None
    marks: tuple[OccurrenceMark, ...]
    """The latest occurrences, runs and skips, the oldest first."""

    @property
    def latest_run(self) -> OccurrenceMark | None:
        """The latest occurrence that led to a run."""
        return next((mark for mark in reversed(self.marks) if mark.run_id is not None), None)


NO_HISTORY = JobHistory(usual=None, marks=())


@frozen(kw_only=True)
class JobRow:
    """A job in the list."""

    job: str
    name: str = ""
    """Its name for people; the id if it has no other."""
    activity: str
    """"running", "retrying", "queued", "paused", "disabled", "done", "idle", or "was_running" without a daemon."""
    last_state: str | None
    last_ended_at: datetime | None
    next_at: datetime | None
    next_blocked: str | None = None
    """Why that start will be skipped, if a guard already says so."""
    schedule: str
    failures: int
    """The number of unsuccessful runs in a row."""
    is_overdue: bool
    is_too_long: bool
    pause_note: str
    open_runs: tuple[str, ...]
    running_since: datetime | None = None
    took: timedelta | None = None
    """The duration of the latest run that is over."""
    history: JobHistory = field(default=NO_HISTORY, repr=False)


@frozen(kw_only=True)
class JobList(ScreenBase):
    """A part of the jobs, by name."""

    now: datetime
    zone: str
    text: str
    """The text that the names contain; empty for all jobs."""
    offset: int
    rows: tuple[JobRow, ...]
    extent: Extent


async def load_job_list(
    source: RecordSource,
    text: str = "",
    *,
    offset: int = 0,
    limit: int = 50,
    known: Mapping[str, JobHistory] | None = None,
) -> JobList:
    """Read a part of the jobs. The records of a job that is `known` aren't read again: nothing has happened to it."""
    found = await source.jobs(text, offset=offset, limit=limit)
    histories = dict(known or {})
    histories |= await load_histories(source, [info["id"] for info in found.jobs if info["id"] not in histories])
    return JobList(
        now=source.now(),
        zone=source.zone.key,
        text=text,
        offset=offset,
        rows=tuple(build_job_row(info, histories[info["id"]]) for info in found.jobs),
        extent=Extent(len(found.jobs), found.matched),
    )


async def describe_skips(source: RecordSource, jobs: Sequence[str]) -> dict[str, str]:
    """Return what became of jobs that have no run, if they were skipped: how often, when last, and why then.

    A start is skipped at once, or as a run after a wait, for a guard for example.
    """
    runs, skips = await gather(source.newest_runs(jobs), source.newest_skips(jobs))
    # Of such a job the newest run was skipped. To look for that state would read all runs of a job that is back.
    ended = {job: [run for run in found if run.state is RunState.SKIPPED] for job, found in runs.items()}
    time = local_times(source.zone.key, source.now())
    newest = {job: mark for job in jobs for mark in newest_marks(ended.get(job, ()), skips.get(job, ()), 1, time)}
    decided, waited = await gather(
        source.count_each(SKIPS, list(newest)),
        source.count_each(RUNS, [job for job in newest if ended.get(job)]),
    )
    counts = {
        job: sum(one.count for one in decided.get(job, ()))
        + sum(one.count for one in waited.get(job, ()) if one.outcome == RunState.SKIPPED)
        for job in newest
    }
    return {
        job: f"skipped {format_count(counts[job], 'time')}, the last at {time(mark.due_at)}: {mark.text}"
        for job, mark in newest.items()
    }


async def load_histories(source: RecordSource, jobs: Sequence[str]) -> dict[str, JobHistory]:
    """Read the newest records of jobs."""
    runs, skips, usual, seen_until = await gather(
        source.newest_runs(jobs, limit=MARKS_SHOWN),
        source.newest_skips(jobs, limit=MARKS_SHOWN),
        find_usual_durations(source, jobs),
        source.seen_until(),
    )
    time = time_format(source.zone, source.now(), local=True)
    marks = {job: newest_marks(runs.get(job, ()), skips.get(job, ()), MARKS_SHOWN, time, seen_until) for job in jobs}
    return {job: JobHistory(usual=usual.get(job), marks=tuple(reversed(marks[job]))) for job in jobs}


def build_job_row(info: Mapping[str, Any], history: JobHistory) -> JobRow:
    """Return the row of a record of `rae-auto list --json`."""
    runs = [mark for mark in history.marks if mark.run_id is not None]
    running = next((mark for mark in runs if mark.run_id in info["open"] and mark.started_at is not None), None)
    ended = next((mark for mark in reversed(runs) if mark.ended_at is not None), None)
    return JobRow(
        job=info["id"],
        name=info["name"],
        activity=info["activity"],
        last_state=info["last_state"],
        last_ended_at=_instant(info["last_finished_at"]),
        next_at=_instant(info["next_at"]),
        next_blocked=info.get("next_blocked"),
        schedule="; ".join(info["schedule"]) or "starts by hand only",
        failures=info["failures"],
        is_overdue=info["overdue_at"] is not None,
        is_too_long=bool(info["overrunning"]),
        pause_note=info["pause_note"],
        open_runs=tuple(info["open"]),
        running_since=None if running is None or info["activity"] != "running" else running.started_at,
        took=None if ended is None else ended.duration,
        history=history,
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
