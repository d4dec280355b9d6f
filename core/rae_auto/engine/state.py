"""The state of the engine: all of it is declared in this file, and handlers change it nowhere but by way of it.

Theory
======

*Durable and derived.* What must survive a crash is in the model: `Job`, `JobState`, `Run`, `SeenOccurrence`,
`OutboxNotice`. Each change of such a value is put into the step (`Save`, `Discard`, `Record`) in the same turn, so that
the sum of all changes so far is the durable state, and a `Restored` event with it makes an equal engine. All else in
here is derived, or belongs to one process: the queue, the timers and the timetable are filled again from the model;
monotonic times mean nothing after a restart. A run that was being cancelled or timed out is the one case where "being
in the middle of something" is durable: see `Run.stopping` below.

*What a run is doing is one value*, `RunEntry.activity`. It refines the stored `Run.state`:

    Run.state            activity        the run…                                    leaves it by
    -----------------    ------------    ----------------------------------------    --------------------------------
    queued, retrying     Delayed         may not start before `Run.not_before`       timer READY; a clock jump past it
                         Queued          is in the queue, by rank                    dispatch pops it
                         Blocked         waits for a job, a resource or a guard      `release` of its key
                         AskingGuards    waits for `GuardsRead`                      `release` of its guard key
    starting, running    Active          has an attempt that an executor may have    AttemptEnded, AttemptFound
    final                (no entry)      is over and on record                       nothing; a final state is final

            ┌──────────────────────────── release ◄───────────────────────────┐
            ▼                                                                  │
    wait ─► Delayed ──► Queued ──► dispatch ─┬─► Blocked(by), AskingGuards ────┘
     ▲                                       ├─► Active ──► finish ──► (no entry)
     │                                       └─► finish (skipped)        ▲
     └────────────── retry ◄──── Active ─────────────────────────────────┘

Invariants, checked by the fuzzer (`tests/fuzz`) after each event:

1. `Active` if and only if the stored state is `starting` or `running`.
2. `active + reserved ≤ max_parallel`, and no resource is used beyond its units. `set_activity` is the only place that
   counts slots: an `Active` run occupies one, an `AskingGuards(has_slot=True)` run reserves one.
3. A run that is `Queued` is in the queue; one that is `Blocked` or `AskingGuards` is in `blocked` under its key. The
   reverse doesn't hold: stale entries are never searched for and removed. The code that pops an entry from the queue
   or a timer checks whether it is still valid.
4. No run is `Queued` after a turn while a slot is free: `dispatch` runs at the end of each turn.
5. A job's open runs are in the order in which they came (`runs_of`); with any overlap but "allow" only the oldest
   starts.

*Parts.* A turn is made of parts: the clocks, the input, each due alarm, each job with due instants, each run that is
dispatched. Each part happens whole or not at all (`Turn.perform`): one that raises is undone, and what is around it
goes on. So a fault costs what it touches and nothing else, and the changes of a step may be made durable part by part.
For this every container in here and every entry notes its changes in the `undo_log`.

*Stopping.* A run that is to end before its time and has an attempt can't end at once: the executor has to end it first.
Its target is decided once and the first decision counts. A requested cancellation and a timeout are saved with the run
(`Run.stopping`) in the turn that decides them, before the executor is asked; so after a crash the stop is carried
out again once the attempt is found alive, an attempt that has ended meanwhile ends as decided, and neither is ever
repeated. An interruption by a shutdown is in `Active.is_interrupted` first, and saved a moment later: a shutdown must
work on a full disk. A run may take longer to end than the shutdown waits for it (its `kill_after`, a keeper that
hangs); the next daemon then ends it, if it is still alive, and it is interrupted whatever its attempt ends with.

*A queue elsewhere.* The attempt of an executor with a queue of its own, as of a cluster, has not started while it waits
there. One durable value says so: the run is still `starting`, with the reason `InQueue`, and has neither a start nor a
clock that counts. `AttemptDequeued` makes it `running`, from the true start on, which may lie before a restart: what
took it out of the queue may have done so while no daemon listened. It occupies its slot, and can be cancelled. The
same holds for an attempt that another machine was asked to start, and that can't be asked whether it did
(`Unconfirmed`): it is not given up, so nothing starts in its place.

*What does not fit.* A stop that is decided but not yet durable when the daemon dies has not been decided; the executor
has not been asked either, because effects follow their commit. A clock that goes wrong looks the same as one that was
set right: see `time.cursors`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import Factory, field, frozen

from rae_auto.engine.plan import Plan, Settings
from rae_auto.engine.queues.outbox import Outbox
from rae_auto.engine.queues.run_queue import Queue, ResourceLine, queue_rank
from rae_auto.engine.time.catch_up import StartSpread
from rae_auto.engine.time.cursors import current_schedules
from rae_auto.engine.time.pause_ends import PauseEnds
from rae_auto.engine.time.timers import Timers
from rae_auto.engine.time.timetable import Timetable
from rae_auto.engine.undo_log import RevertibleDict, RevertibleList, UndoLog, revertible
from rae_auto.errors import JobNotFound
from rae_auto.model.guard import GuardResult
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.primitives.clock_jumps import ClockJump
from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import SEE_JOBS, JobId, RunId, did_you_mean
from rae_auto.model.reasons import (
    Block,
    DaemonStopping,
    GuardBlocked,
    MissedCause,
    ResourceBusy,
    ResourceReserved,
    StoreReverted,
)
from rae_auto.model.run import Run, RunState, Stopping
from rae_auto.model.schedule import Schedule

MAX_SEEN_PER_TRIGGER = 1000
"""Number of occurrences without a schedule that are remembered for each trigger."""


@frozen
class Delayed:
    """Waits until `Run.not_before`; a READY timer is set."""


@frozen
class Queued:
    """Waits in the queue for a slot."""


@frozen
class Blocked:
    """Waits until something happens to what blocks it.

    `recheck_at` is when a guard may have changed its answer (monotonic seconds); a timer that rings before is stale.
    """

    by: Block
    recheck_at: float = float("inf")


@frozen
class AskingGuards:
    """Waits for the answers of its guards; with a slot of its own where it already lost one to others once."""

    has_slot: bool = False


@frozen
class Active:
    """Has an attempt that an executor has, or may have, started."""

    is_interrupted: bool = False


Activity = Delayed | Queued | Blocked | AskingGuards | Active


@frozen
class GuardReadings:
    """The latest answers of a run's guards, and when they came (monotonic seconds)."""

    results: Mapping[str, GuardResult]
    at: float


_QUEUED = Queued()


@quick_init
@revertible
class JobEntry:
    """A job as loaded, and its remembered state."""

    plan: Plan
    state: JobState
    undo_log: UndoLog

    @property
    def job(self) -> Job:
        """The job's definition."""
        return self.plan.job

    def schedules(self) -> Mapping[str, Schedule]:
        """Return the schedules as they are at present, without those that wait for the end of a run to count from."""
        plan = self.plan
        return current_schedules(plan, self.state.cursors) if plan.run_points else plan.schedules


@quick_init
@revertible
class RunEntry:
    """An open run. `job` is the definition that it was decided under; a reload doesn't change it.

    `queued_mono` is when it was queued (monotonic seconds), as far as a restart can tell by the wall clock.
    `waited_for` has the reasons it has waited for since it was taken in, each code once. `resources_wanted_since` says
    since when it has been waiting for resources, or has had them reserved (monotonic seconds).
    """

    run: Run
    job: Job
    undo_log: UndoLog
    queued_mono: float
    activity: Activity = _QUEUED
    waited_for: tuple[Block, ...] = ()
    resources_wanted_since: float | None = None
    guard_readings: GuardReadings | None = None

    @property
    def rank(self) -> float:
        """The run's rank in the queue: the lower one goes first."""
        return queue_rank(self.job.priority, self.queued_mono)

    @property
    def is_active(self) -> bool:
        """Tell whether an executor has, or may have, an attempt of the run."""
        return isinstance(self.activity, Active)

    @property
    def is_in_queue(self) -> bool:
        """Tell whether the run's attempt waits for its turn in a queue elsewhere."""
        return self.run.is_in_queue

    @property
    def stopping(self) -> Stopping | None:
        """The end that the run will have whatever its attempt ends with, if that is decided."""
        if self.run.stopping is None and isinstance(self.activity, Active) and self.activity.is_interrupted:
            return Stopping(RunState.INTERRUPTED, DaemonStopping())
        return self.run.stopping

    @property
    def is_uncertain(self) -> bool:
        """Tell whether the run is one of a store that went back to an older state, and its attempt isn't found yet."""
        return isinstance(self.run.reason, StoreReverted) and self.run.state.active

    @property
    def waits_for_resource(self) -> bool:
        """Tell whether all that the run waits for is a resource."""
        return isinstance(self.activity, Blocked) and isinstance(self.activity.by, ResourceBusy | ResourceReserved)

    @property
    def has_reserved_slot(self) -> bool:
        """Tell whether a slot and its resources are reserved for the run while its guards are being asked."""
        return self.activity == AskingGuards(has_slot=True)

    @property
    def waits_for_guards(self) -> bool:
        """Tell whether the run's guards are being asked, or one of them blocks it."""
        activity = self.activity
        if isinstance(activity, AskingGuards):
            return True
        return isinstance(activity, Blocked) and isinstance(activity.by, GuardBlocked)


def resource_key(name: str) -> str:
    """Return the key under which runs wait for a resource; no job id has a space."""
    return f"resource {name}"


def guard_key(run: RunId) -> str:
    """Return the key under which a run waits for its guards."""
    return f"guard {run}"


def fault_key(run: RunId) -> str:
    """Return the key under which a run waits that a fault of the engine kept from starting."""
    return f"fault {run}"


@frozen
class FeedbackChain:
    """Runs of a trigger that followed each other closely: their number, and the first and last start (monotonic)."""

    length: int
    started_at: float
    last_at: float


@quick_init
@frozen(weakref_slot=False)
class Backlog:
    """The jobs whose due instants are decided in this order, each with what it is late by.

    `done` is the number of jobs that earlier turns have decided: they stay, so that a turn costs what it decides and
    not what is left. `spread` is that of all jobs that catch up together, those included.
    """

    jobs: tuple[tuple[JobId, "Lateness"], ...]
    spread: StartSpread
    done: int = 0


@quick_init
@frozen(weakref_slot=False)
class Lateness:
    """Since when instants of a job are due, and why those up to then are late, if they are."""

    cause: MissedCause
    since: datetime


TriggerKey = tuple[JobId, str]
"""A job and the id of one of its triggers."""


def _revertible(kind: Callable[[UndoLog], Any]) -> Any:
    """Return the default of a field whose value notes its changes in the state's undo log."""
    return Factory(lambda state: kind(state.undo_log), takes_self=True)


_MAPPING, _TIMETABLE, _TIMERS, _PAUSE_ENDS = map(_revertible, (RevertibleDict, Timetable, Timers, PauseEnds))
_QUEUE, _RESOURCE_LINE, _OUTBOX = map(_revertible, (Queue, ResourceLine, Outbox))


@revertible
class EngineState:
    """Everything that the engine knows."""

    undo_log: UndoLog = field(factory=UndoLog)
    """The changes of the current part of the turn, which can be undone."""
    settings: Settings = field(factory=Settings)
    jobs: RevertibleDict[JobId, JobEntry] = field(default=_MAPPING)
    runs: RevertibleDict[RunId, RunEntry] = field(default=_MAPPING)
    runs_of: RevertibleDict[JobId, tuple[RunEntry, ...]] = field(default=_MAPPING)
    """Open runs of each job, the oldest first; a job without any has no entry."""
    blocked: RevertibleDict[str, RevertibleList[RunId]] = field(default=_MAPPING)
    """Runs that wait until something happens to a job (its id), a resource (`resource_key`) or guards (`guard_key`)."""
    seen: RevertibleDict[TriggerKey, RevertibleDict[str, SeenOccurrence]] = field(default=_MAPPING)
    """Occurrences that no cursor covers, by trigger and key, the oldest first."""

    resource_line: ResourceLine = field(default=_RESOURCE_LINE)
    """The runs that wait for resources."""

    active: int = 0
    """Number of runs that are `Active`."""
    reserved: int = 0
    """Number of slots that are reserved for runs whose guards are being asked."""
    resources_in_use: RevertibleDict[str, int] = field(default=_MAPPING)
    """Units of each resource that active runs and reservations use."""

    timetable: Timetable = field(default=_TIMETABLE)
    timers: Timers = field(default=_TIMERS)
    pause_ends: PauseEnds = field(default=_PAUSE_ENDS)
    queue: Queue = field(default=_QUEUE)

    ended_at: RevertibleDict[TriggerKey, float] = field(default=_MAPPING)
    """When the last run of a trigger ended (monotonic seconds); for `loop_detection`."""
    feedback_times: RevertibleDict[tuple[JobId, str, str], tuple[float, ...]] = field(default=_MAPPING)
    """When the same feedback key came during or right after a run of its trigger; for `loop_detection`."""
    overdue_alarms: RevertibleDict[JobId, float] = field(default=_MAPPING)
    """When the one alarm OVERDUE of a job that counts rings (monotonic seconds); others are stale."""
    feedback_chains: RevertibleDict[TriggerKey, FeedbackChain] = field(default=_MAPPING)
    """Runs of a trigger that followed each other closely; for `loop_detection`."""

    outbox: Outbox = field(default=_OUTBOX)
    """The notices that wait for their delivery."""

    downtime: Downtime | None = None
    """The last time in which no daemon ran, reported or to be reported; None if none is worth it."""

    restored_at: datetime | None = None
    """When this daemon took in the store; None before it."""
    daemon_seen_until: datetime | None = None
    """When the daemon before this one was last there; None if that isn't known."""
    is_restarted: bool = False
    """No instant has been decided yet in this process, so that what is due now fell due while the daemon was down."""
    is_reverted: bool = False
    """No instant has been decided yet since the store went back to an older state."""
    backlog: Backlog | None = None
    """The due instants that the turns so far have not come to."""
    undecidable: RevertibleDict[JobId, Lateness] = field(default=_MAPPING)
    """Jobs whose due instants a fault keeps undecided; the alarm DECIDE_AGAIN is set."""
    last_moment: Moment | None = None
    """The moment of the last turn, whatever became of that turn: it is set between two parts."""
    last_jump: ClockJump | None = None
    """The first clock jump since instants were decided last."""

    is_stopping: bool = False
    leaves_running: bool = False
    """Active runs that can be adopted are left to the next daemon."""
    is_stopped: bool = False

    def open_runs(self, job: JobId) -> tuple[RunEntry, ...]:
        """Return the job's open runs, the oldest first."""
        return self.runs_of.get(job, ())

    def active_attempt(self, run: RunId, attempt: int) -> RunEntry | None:
        """Return the open run if this attempt of it is active; events of other attempts come too late."""
        entry = self.runs.get(run)
        is_active = entry is not None and isinstance(entry.activity, Active)
        return entry if entry is not None and is_active and entry.run.attempt == attempt else None

    def open(self, entry: RunEntry) -> None:
        """Add an open run."""
        run = entry.run
        self.runs[run.id] = entry
        self.runs_of[run.job] = (*self.runs_of.get(run.job, ()), entry)
        if not isinstance(entry.activity, Queued):
            self._count(entry, 1)

    def block(self, run: RunId, key: str) -> None:
        """Let a run wait until something happens to a job, a resource or guards."""
        if key not in self.blocked:
            self.blocked[key] = RevertibleList(self.undo_log)
        self.blocked[key].append(run)

    def remember(self, seen: SeenOccurrence) -> SeenOccurrence | None:
        """Remember an occurrence, and return the oldest one of its trigger if that is forgotten instead."""
        trigger = (seen.job, seen.trigger)
        if trigger not in self.seen:
            self.seen[trigger] = RevertibleDict(self.undo_log)
        known = self.seen[trigger]
        known[seen.key] = seen
        return known.pop(next(iter(known))) if len(known) > MAX_SEEN_PER_TRIGGER else None

    def close(self, entry: RunEntry) -> None:
        """Remove a run that is over."""
        run = entry.run
        self._count(entry, -1)
        if entry.resources_wanted_since is not None:
            self._leave_resource_line(entry)
        if self.blocked:
            self.blocked.pop(guard_key(run.id), None)
        del self.runs[run.id]
        siblings = self.runs_of[run.job]
        if len(siblings) == 1:
            del self.runs_of[run.job]
        else:
            self.runs_of[run.job] = tuple(other for other in siblings if other is not entry)

    def set_activity(self, entry: RunEntry, activity: Activity) -> None:
        """Let an open run do something else, and count slots and resources accordingly."""
        if not isinstance(entry.activity, Queued):
            self._count(entry, -1)
            self._leave_resource_line(entry)
        entry.activity = activity
        self._count(entry, 1)
        if entry.resources_wanted_since is not None and entry.waits_for_resource:
            self.resource_line.enter(entry.run.id, entry.rank, entry.resources_wanted_since)

    def _leave_resource_line(self, entry: RunEntry) -> None:
        if entry.waits_for_resource:
            self.resource_line.leave(entry.run.id)

    def _count(self, entry: RunEntry, by: int) -> None:
        activity = entry.activity
        if isinstance(activity, Active):
            self.active += by
        elif isinstance(activity, AskingGuards) and activity.has_slot:
            self.reserved += by
        else:
            return
        resources = entry.job.resources
        for resource, units in resources.items() if resources else ():
            self.resources_in_use[resource] = self.resources_in_use.get(resource, 0) + by * units

    def job_not_found(self, job: str) -> JobNotFound:
        """Return the error for a job that isn't known, with a suggestion."""
        return JobNotFound(f"no job {quote(job)}{did_you_mean(job, self.jobs) or SEE_JOBS}")
