"""Who starts now: the first in the queue that nothing holds back, while there is room."""

from rae_auto.engine.effects import Start, Step
from rae_auto.engine.runs import dependencies, guards
from rae_auto.engine.runs.attempts import arm_timeout
from rae_auto.engine.runs.progress import all_waits, finish, hold
from rae_auto.engine.state import EngineState, RunEntry, resource_key
from rae_auto.model.decision import MANUAL
from rae_auto.model.job import Job
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import Reason
from rae_auto.model.run import RunState

Hold = tuple[str, Reason, str]
"""The job or resource that must move first, and why, in a code and in words."""


def start_what_may(world: EngineState, now: Moment, step: Step) -> None:
    """Fill the free places."""
    while world.active + world.kept < world.settings.max_parallel and not world.stopping:
        run = world.queue.pop()
        if run is None:
            return
        opened = world.runs.get(run)
        if opened is None or opened.run.state.active:
            continue
        held = _held(world, opened)
        if held is not None:
            hold(world, opened, *held)
            continue
        unmet = dependencies.unmet(world, opened.job) if opened.run.attempt == 0 else None
        if unmet is not None:
            finish(world, opened, RunState.SKIPPED, now, step, reason=f"{unmet[0]}: {unmet[1]}")
        elif guards.let(world, opened, now, step):
            _start(world, opened, now, step)


def _held(world: EngineState, opened: RunEntry) -> Hold | None:
    run, job = opened.run, opened.job
    entry = world.jobs.get(run.job)
    if run.trigger != MANUAL and entry is not None:
        if entry.state.paused:
            return run.job, Reason.PAUSED, "the job is paused"
        if not (world.settings.enabled and entry.job.enabled):
            return run.job, Reason.DISABLED, "nothing starts by itself while disabled"
    oldest = world.runs_of[run.job][0]
    if job.overlap is not Overlap.ALLOW and oldest != run.id:
        return run.job, Reason.OVERLAP, f"run {oldest} of the same job isn't over (overlap = {job.overlap})"
    if sum(other.run.state.active for other in world.open_runs(run.job)) >= job.overlap_max:
        return run.job, Reason.CEILING, f"{job.overlap_max} runs of the same job are active (overlap_max)"
    blocker = dependencies.unfinished(world, job) if run.attempt == 0 else None
    if blocker is not None:
        return blocker[1], blocker[0], f"needs {blocker[1]}, which has an open run"
    return _without_resource(world, job)


def _without_resource(world: EngineState, job: Job) -> Hold | None:
    for name, units in job.resources.items():
        # A resource that a reload took away bounds nothing; one that was made smaller lets one run after the other.
        capacity = world.settings.resources.get(name)
        if capacity is not None and world.in_use[name] and world.in_use[name] + units > capacity:
            used = f"{world.in_use[name]} of {capacity} units of resource {name} are in use"
            return resource_key(name), Reason.RESOURCE, used
    return None


def _start(world: EngineState, opened: RunEntry, now: Moment, step: Step) -> None:
    opened.run = opened.run.to(
        RunState.STARTING,
        attempt=opened.run.attempt + 1,
        started_at=opened.run.started_at or now.wall,
        attempt_started_at=now.wall,
        not_before=None,
        reason=None,
        waited_for=all_waits(opened),
    )
    world.take_place(opened)
    arm_timeout(world, opened, now)
    step.save(opened.run)
    step.request(Start(opened.run, opened.job))
