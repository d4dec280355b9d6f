"""Status and description of a job, as programs read them."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from rae_auto.model.job_state import SkippedStart
from rae_auto.model.policies import Priority
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import RunState


class JobActivity(StrEnum):
    """Activity of a job, the most important one first."""

    RUNNING = "running"
    RETRYING = "retrying"
    QUEUED = "queued"
    PAUSED = "paused"
    DISABLED = "disabled"
    DONE = "done"
    """Nothing but schedules starts it, and these are over: it will not start by itself again."""
    IDLE = "idle"


@frozen(kw_only=True)
class JobStatus:
    """Status of a job. `last_*` describe its latest finished run; `failures` counts unsuccessful ones in a row.

    A pause ends by itself at `paused_until`, if that is set. `skips` has the starts that are skipped by hand;
    `next_at` comes after the pause and is none of them. By `expected_by` a run has to succeed, if that is expected;
    `overdue_at` is when none had. Runs in `overrunning` have been running for longer than expected.
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


@frozen(kw_only=True)
class JobInfo:
    """A job in a list. `schedule` has a line of text for each trigger; `origin` is "config" or "store"."""

    id: JobId
    name: str
    origin: str
    schedule: tuple[str, ...]
    priority: Priority
    status: JobStatus
