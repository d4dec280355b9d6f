"""The configuration as the engine gets it: plans of jobs, and settings."""

from collections.abc import Mapping
from datetime import UTC, timedelta, tzinfo
from enum import StrEnum

from attrs import field, frozen

from rae_auto.model.guard import Computed
from rae_auto.model.job import Job
from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.primitives.names import JobId
from rae_auto.model.schedule import RunPoint, Schedule


class JobOrigin(StrEnum):
    """The place a job comes from, which decides who may change it."""

    CONFIG = "config"
    STORE = "store"


@quick_init
@frozen(weakref_slot=False)
class Plan:
    """A job with its schedules by trigger id, its origin, its guards, and the jobs whose ends start it."""

    job: Job
    schedules: Mapping[str, Schedule] = field(factory=dict)
    origin: JobOrigin = JobOrigin.STORE
    guards: Mapping[str, Computed | None] = field(factory=dict)
    """Its guards by id; None for one that the runtime must read."""
    readers: Mapping[str, object] = field(factory=dict, eq=False)
    """The readers of those guards by id; opaque to the engine."""
    upstream_jobs: tuple[JobId, ...] = ()
    summaries: tuple[str, ...] = field(default=(), eq=False)
    """A few words for each trigger, in the order of `job.schedule`; opaque to the engine."""
    guard_summaries: Mapping[str, str] = field(factory=dict, eq=False)
    """A few words for each guard of the job, by id; opaque to the engine."""
    executor_summary: str = field(default="", eq=False)
    """A few words for its executor; opaque to the engine."""
    delays: Mapping[str, timedelta] = field(factory=dict)
    """The time from an event of a source to its start, by trigger id, where there is one."""
    run_points: Mapping[str, RunPoint] = field(factory=dict)
    """The points of the job's last run from which schedules count, by trigger id, of those that don't go by the clock
    alone."""
    problem: str | None = None
    """The reason why the job can't be used, such as a plugin that is gone: it is kept, and starts nothing."""
    asks_executor: bool = False
    """One of the guards, `EXECUTOR_GUARD`, is the job's executor, which every start waits for. A guard of the user may
    have that name."""


@frozen
class Settings:
    """The part of a configuration that concerns the engine, beside the jobs."""

    max_parallel: int = 8
    enabled: bool = True
    resources: Mapping[str, int] = field(factory=dict)
    """Units of each resource that attempts may use at once."""
    max_queue: int = 10_000
    """Number of runs that may wait, of all jobs together."""
    notifiers: tuple[str, ...] = ()
    """Names of all notifiers, for jobs that name none."""
    zone: tzinfo = UTC
    """The configured time zone."""
    node: str = ""
    """The node that starts attempts, of those that use one store; empty where there is one alone."""
