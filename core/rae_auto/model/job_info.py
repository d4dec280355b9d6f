"""What can be asked about a job: how it stands, in values for programs."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from rae_auto.model.policies import Priority
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import RunState


class JobActivity(StrEnum):
    """What a job is doing, the most telling thing first."""

    RUNNING = "running"
    RETRYING = "retrying"
    QUEUED = "queued"
    PAUSED = "paused"
    DISABLED = "disabled"
    IDLE = "idle"


@frozen(kw_only=True)
class JobStatus:
    """How a job stands. `last_*` tell of its latest finished run, `failures` how many in a row did not succeed."""

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


@frozen(kw_only=True)
class JobInfo:
    """A job in a list. `schedule` has a line of text for each trigger; `origin` is "config" or "store"."""

    id: JobId
    name: str
    origin: str
    schedule: tuple[str, ...]
    priority: Priority
    status: JobStatus
