"""Dispatch: start the first runs in the queue that nothing blocks, while slots are free."""

from rae_auto.engine.effects import Start
from rae_auto.engine.runs import dependencies, expectations, guards, run_points
from rae_auto.engine.runs.attempts import set_timeout, terms_of
from rae_auto.engine.runs.copies import evolve_run
from rae_auto.engine.runs.ending import finish
from rae_auto.engine.runs.waiting import FAULT_RETRY_SECONDS, all_waits, block, release_resources
from rae_auto.engine.state import Active, EngineState, Queued, RunEntry, fault_key, resource_key
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.decision import MANUAL
from rae_auto.model.job import Job
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.evolving.slots import maker_of
from rae_auto.model.reasons import (
    Block,
    Disabled,
    Fired,
    InternalFault,
    MaxOverlap,
    Overlapping,
    ResourceBusy,
    ResourceReserved,
    ResourceTooSmall,
    UnusableJob,
)
from rae_auto.model.run import Run, RunState, allow_transition

_ACTIVE = Active()
_make_start = maker_of(Start)

Obstacle = tuple[Block, str]
"""Why a run can't start, and the key of what must change first: a job's id, or a resource's key."""


def dispatch(turn: Turn) -> None:
    """Fill the free slots."""
    state = turn.state
    while state.active + state.reserved < state.settings.max_parallel and not state.is_stopping:
        run = state.queue.pop()
        if run is None:
            return
        entry = state.runs.get(run)
        if entry is None or not isinstance(entry.activity, Queued):
            continue
        if not turn.perform(_dispatch_run, entry):
            turn.perform(_set_aside, entry, turn.step.failures[-1].error)


def _dispatch_run(turn: Turn, entry: RunEntry) -> None:
    """Start the run, or let it wait for what keeps it from starting."""
    obstacle = find_obstacle(turn.state, entry)
    if obstacle is None and entry.job.resources:
        obstacle = _find_missing_resource(turn, entry)
    if obstacle is not None:
        block(turn, entry, *obstacle)
        _wake_first(turn, obstacle[0])
    else:
        _start_if_allowed(turn, entry)
    if entry.resources_wanted_since is not None and not (entry.waits_for_resource or entry.has_reserved_slot):
        # What was reserved for it may be free for others now.
        entry.resources_wanted_since = None
        release_resources(turn, entry.job)


def _start_if_allowed(turn: Turn, entry: RunEntry) -> None:
    """Start a run that nothing is in the way of, unless a need or a guard forbids it."""
    job = entry.job
    need = dependencies.find_unmet_need(turn.state, job) if job.needs and _heeds_needs(entry.run) else None
    if need is not None and isinstance(entry.run.cause, Fired):
        block(turn, entry, need, need.job)
    elif need is not None:
        finish(turn, entry, RunState.SKIPPED, reason=need)
    elif guards.check_guards(turn, entry):
        _start(turn, entry)


def _set_aside(turn: Turn, entry: RunEntry, error: Exception) -> None:
    """Let a run wait that could not be dispatched because of a fault."""
    key = fault_key(entry.run.id)
    block(turn, entry, InternalFault(f"{error!r:.200}"), key)
    turn.state.timers.set(turn.now.mono + FAULT_RETRY_SECONDS, Alarm.FAULT_RETRY, key)


def find_obstacle(state: EngineState, entry: RunEntry) -> Obstacle | None:
    """Return what keeps a run from starting, though a slot is free and its resources may be."""
    run, job = entry.run, entry.job
    job_entry = state.jobs.get(run.job)
    if job_entry is not None and job_entry.plan.problem is not None:
        return UnusableJob(job_entry.plan.problem), run.job
    if run.trigger != MANUAL and job_entry is not None:
        pause = job_entry.state.find_pause() if job_entry.state.paused else None
        if pause is not None:
            return pause, run.job
        if not (state.settings.enabled and job_entry.plan.job.enabled):
            return Disabled(), run.job
    siblings = state.runs_of[run.job]
    if len(siblings) > 1:
        oldest = siblings[0].run
        if job.overlap is not Overlap.ALLOW and oldest.id != run.id:
            return Overlapping(oldest.id, oldest.queued_at), run.job
        if sum(other.is_active for other in siblings) >= job.overlap_max:
            return MaxOverlap(job.overlap_max), run.job
    need = dependencies.find_running_need(state, job) if job.needs and _heeds_needs(run) else None
    if need is not None:
        return need, need.job
    return _find_small_resource(state, job) if job.resources else None


def _heeds_needs(run: Run) -> bool:
    """Tell whether the jobs that a run needs matter to it: before its first attempt, if it isn't forced."""
    return run.attempt == 0 and not dependencies.is_forced(run.cause)


def _find_small_resource(state: EngineState, job: Job) -> Obstacle | None:
    """Return a resource that a reload has made too small for a job that was added before."""
    for name, units in job.resources.items():
        # A resource that a reload took away limits nothing.
        if units > state.settings.resources.get(name, units):
            return ResourceTooSmall(name, units, state.settings.resources[name]), resource_key(name)
    return None


def _find_missing_resource(turn: Turn, entry: RunEntry) -> Obstacle | None:
    """Return a resource that is used up by other runs, or reserved for one that comes first."""
    missing = _find_busy_resource(turn.state, entry.job) or _find_reserved_resource(turn, entry)
    if missing is not None and entry.resources_wanted_since is None:
        entry.resources_wanted_since = turn.now.mono
    return missing


def _wake_first(turn: Turn, block: Block) -> None:
    """Let the run that resources are reserved for try again if all of them have become free, however that came."""
    if isinstance(block, ResourceReserved):
        first = turn.state.runs[block.run].job
        if _find_busy_resource(turn.state, first) is None:
            release_resources(turn, first)


def _find_busy_resource(state: EngineState, job: Job) -> Obstacle | None:
    for name, units in job.resources.items():
        capacity, used = state.settings.resources.get(name), state.resources_in_use.get(name, 0)
        if capacity is not None and used + units > capacity:
            return ResourceBusy(name, used, capacity), resource_key(name)
    return None


def _find_reserved_resource(turn: Turn, entry: RunEntry) -> Obstacle | None:
    state = turn.state
    first = state.resource_line.first(turn.now.mono)
    if first is None or (entry.rank, entry.run.id) < first:
        return None
    reserved = state.runs[first[1]].job.resources
    for name, units in entry.job.resources.items():
        capacity, used = state.settings.resources.get(name), state.resources_in_use.get(name, 0)
        if capacity is not None and name in reserved and used + units + reserved[name] > capacity:
            return ResourceReserved(name, first[1]), resource_key(name)
    return None


def _start(turn: Turn, entry: RunEntry) -> None:
    now, job, run = turn.now.wall, entry.job, entry.run
    entry.run = run = evolve_run(
        run,
        state=allow_transition(run, RunState.STARTING),
        attempt=run.attempt + 1,
        started_at=run.started_at or now,
        attempt_started_at=now,
        not_before=None,
        reason=None,
        waited_for=all_waits(entry),
        clocks=turn.now,
        terms=terms_of(job),
        node=turn.state.settings.node,
    )
    turn.state.set_activity(entry, _ACTIVE)
    if job.timeout is not None:
        set_timeout(turn, entry)
    if job.expect.max_runtime is not None:
        expectations.watch_running_time(turn, entry)
    run_points.note_start(turn, entry)
    turn.step.save(run)
    turn.step.request(_make_start(run, job))
