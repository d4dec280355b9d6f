"""Events: facts that came in. The engine learns of the world through these alone.

`ask`, where an event has one, is the token under which the asker waits for a `Reply`.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from rae_auto.model.decision import Occurrence
from rae_auto.model.guard import Computed, GuardResult
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, Seen
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import Result, Run
from rae_auto.model.schedule import Schedule

Ask = int


class Origin(StrEnum):
    """Where a job comes from, and who may change it."""

    CONFIG = "config"
    STORE = "store"


@frozen
class Plan:
    """A job with its schedules by trigger id, where it comes from, its guards, and the jobs whose ends start it."""

    job: Job
    schedules: Mapping[str, Schedule] = field(factory=dict)
    origin: Origin = Origin.STORE
    guards: Mapping[str, Computed | None] = field(factory=dict)
    """Its guards by id; None for one that the shell must read."""
    readers: Mapping[str, object] = field(factory=dict, eq=False)
    """What the shell reads those with, by id; to the engine it means nothing."""
    upstream_jobs: tuple[JobId, ...] = ()


@frozen
class Settings:
    """What a configuration says to the engine beside its jobs."""

    max_parallel: int = 8
    enabled: bool = True
    resources: Mapping[str, int] = field(factory=dict)
    """How many attempts may use each of them at once."""
    max_queue: int = 10_000
    """How many runs may wait, of all jobs together."""


@frozen
class Restored:
    """The daemon has started: this is what the configuration and the store hold.

    What is known of the attempts in hand (`AttemptFound`, `AttemptEnded`) comes next, and then a `TimePassed`.
    """

    settings: Settings
    plans: tuple[Plan, ...] = ()
    states: tuple[JobState, ...] = ()
    runs: tuple[Run, ...] = ()
    seen: tuple[Seen, ...] = ()


@frozen
class Reconfigure:
    """The configuration was read again; `plans` are all of its jobs."""

    settings: Settings
    plans: tuple[Plan, ...]
    ask: Ask | None = None


@frozen
class AddJob:
    """Somebody adds a job to the store, or changes one."""

    plan: Plan
    replace: bool = False
    ask: Ask | None = None


@frozen
class RemoveJob:
    """Somebody removes a job from the store."""

    job: JobId
    ask: Ask | None = None


@frozen
class SetPaused:
    """Somebody pauses a job, or lets it go on."""

    job: JobId
    paused: bool
    ask: Ask | None = None


@frozen
class TimePassed:
    """Time has passed."""


@frozen
class TriggerFired:
    """A source, a person or a program gives a reason to run.

    `feedback_key` names what may be the doing of the job's own last run, if it may be that.
    """

    occurrence: Occurrence
    ask: Ask | None = None
    feedback_key: str | None = None


@frozen
class GuardsRead:
    """What a job's guards said that the engine wanted read for a run. Each wanted one has an answer."""

    run: RunId
    said: Mapping[str, GuardResult]


@frozen
class CancelRuns:
    """Somebody wants a run, or all open runs of a job, to end."""

    job: JobId | None = None
    run: RunId | None = None
    ask: Ask | None = None


@frozen
class AttemptStarted:
    """An executor has the attempt in hand."""

    run: RunId
    attempt: int
    handle: Mapping[str, Any] = field(factory=dict)


@frozen
class AttemptEnded:
    """The attempt is over, or could not be started (`result.error` says why)."""

    run: RunId
    attempt: int
    result: Result


@frozen
class AttemptFound:
    """After a restart: the attempt is alive (its `handle`), or its fate is unknown (None).

    `begun` is False where it is sure not to have begun. One that has ended meanwhile is told as `AttemptEnded`.
    """

    run: RunId
    attempt: int
    handle: Mapping[str, Any] | None = None
    begun: bool = True


@frozen
class Stop:
    """The daemon is to stop; what runs may go on for `grace`. A second one may shorten it.

    `leave_running` leaves what can be found again to the next daemon.
    """

    grace: timedelta
    leave_running: bool = False
    ask: Ask | None = None


Event = (
    Restored
    | Reconfigure
    | AddJob
    | RemoveJob
    | SetPaused
    | TimePassed
    | TriggerFired
    | GuardsRead
    | CancelRuns
    | AttemptStarted
    | AttemptEnded
    | AttemptFound
    | Stop
)
