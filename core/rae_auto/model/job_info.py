"""Status and description of a job, as programs read them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from rae_auto.model.job_state import SkippedStart
from rae_auto.model.policies import Priority
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons.requesters import Requester
from rae_auto.model.run import RunState


class JobActivity(StrEnum):
    """Activity of a job, the most important one first."""

    RUNNING = "running"
    WAS_RUNNING = "was_running"
    """A run was active when the last daemon was there; without a daemon it isn't known whether it still is."""
    RETRYING = "retrying"
    QUEUED = "queued"
    PAUSED = "paused"
    DISABLED = "disabled"
    DONE = "done"
    """All triggers are schedules that have ended: the job will not start by itself again."""
    IDLE = "idle"


@frozen(kw_only=True)
class JobStatus:
    """Status of a job. `last_*` describe its latest finished run; `failures` counts unsuccessful ones in a row.

    A pause began at `paused_at`, if that is known, and ends by itself at `paused_until`, if that is set. `skips` has
    the starts that are skipped by hand; `next_at` comes after the pause and is none of them. By `expected_by` a run has
    to succeed, if that is expected;
    `overdue_at` is when none had. Runs in `overrunning` have been running for longer than expected. At `delayed_until`
    the delay after an event is over, for which a run waits. `counts_from` has, for each schedule that counts from the
    last run, the instant that it counts from, None while the end of that run is not known.
    """

    job: JobId
    activity: JobActivity
    enabled: bool
    paused: bool
    open: tuple[RunId, ...]
    next_at: datetime | None
    last_state: RunState | None
    last_run: RunId | None
    last_finished_at: datetime | None
    failures: int
    paused_until: datetime | None = None
    pause_note: str = ""
    skips: tuple[SkippedStart, ...] = ()
    expected_by: datetime | None = None
    overdue_at: datetime | None = None
    overrunning: tuple[RunId, ...] = ()
    delayed_until: datetime | None = None
    counts_from: Mapping[str, datetime | None] = field(factory=dict)
    paused_at: datetime | None = None


@frozen(kw_only=True)
class JobInfo:
    """A job in a list. `schedule` has a line of text for each trigger, `guards` one for each guard, and `executor` one
    for what runs it; `origin` is "config" or "store".

    `added_by` is where a job of the store comes from. `problems` has a line for each trigger that fails or is
    quarantined, with its plugin and the remedy, or one that says why the job can't be used at all.
    """

    id: JobId
    name: str
    origin: str
    schedule: tuple[str, ...]
    priority: Priority
    status: JobStatus
    added_by: Requester | None = None
    guards: tuple[str, ...] = ()
    executor: str = ""
    problems: tuple[str, ...] = ()
