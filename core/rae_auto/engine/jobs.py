"""Jobs come, change, pause and go; what is in flight goes on under the definition it was decided under."""

from attrs import evolve

from rae_auto.engine.effects import JobChanged, Step
from rae_auto.engine.events import AddJob, Origin, Plan, Reconfigure, RemoveJob, SetPaused
from rae_auto.engine.runs import guards
from rae_auto.engine.runs.dependencies import find_cycle, reached_from
from rae_auto.engine.runs.progress import end, release
from rae_auto.engine.state import EngineState, JobEntry
from rae_auto.engine.time import cursors
from rae_auto.errors import DuplicateJob, InvalidJob, JobInUse, JobNotFound, SchedulerError
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.reasons import Reason
from rae_auto.model.run import RunState


def job_not_found(world: EngineState, job: str) -> JobNotFound:
    return JobNotFound(f"no job {job!r}{did_you_mean(job, world.jobs)}")


def added(world: EngineState, event: AddJob, now: Moment, step: Step) -> None:
    """A job for the store: added, or changed where the asker means to."""
    job = event.plan.job
    refusal = _refusal(world, event)
    if refusal is not None:
        step.reply(event.ask, refusal)
        return
    step.save(job)
    put(world, event.plan, now, step)
    step.reply(event.ask, {"job": job.id})


def _refusal(world: EngineState, event: AddJob) -> SchedulerError | None:
    job, known = event.plan.job, world.jobs.get(event.plan.job.id)
    if known is not None and known.plan.origin is Origin.CONFIG:
        return DuplicateJob(f"job {job.id!r} stands in the configuration; change it there")
    if known is not None and not event.replace:
        return DuplicateJob(f"job {job.id!r} exists; remove it first, or ask to replace it")
    for need in job.needs:
        if need not in world.jobs:
            return InvalidJob(f"job {job.id!r}: needs {need!r}, which is no job{did_you_mean(need, world.jobs)}")
    for resource in job.resources:
        if resource not in world.settings.resources:
            known_ones = world.settings.resources
            return InvalidJob(f'job "{job.id}": unknown resource "{resource}"{did_you_mean(resource, known_ones)}')
    cycle = find_cycle(reached_from([job.id], lambda other: (job if other == job.id else world.jobs[other].job).needs))
    if cycle:
        return InvalidJob(f"job {job.id!r}: needs go round in a circle: {' -> '.join(cycle)}")
    return _refusal_to_follow(world, event.plan)


def _refusal_to_follow(world: EngineState, plan: Plan) -> InvalidJob | None:
    """What is wrong with the jobs that a job follows: each end of a circle would start its next round for ever."""
    job = plan.job.id
    for followed in plan.upstream_jobs:
        if followed != job and followed not in world.jobs:
            return InvalidJob(f"job {job!r}: follows {followed!r}, which is no job{did_you_mean(followed, world.jobs)}")

    def follows_of(other: JobId) -> tuple[JobId, ...]:
        if other == job:
            return plan.upstream_jobs
        # A followed job of the configuration may be gone from it since.
        return world.jobs[other].plan.upstream_jobs if other in world.jobs else ()

    cycle = find_cycle(reached_from([job], follows_of))
    if cycle is None:
        return None
    return InvalidJob(f"job {job!r}: starts itself again: {' -> '.join(reversed(cycle))}; take one of them out")


def removed(world: EngineState, event: RemoveJob, now: Moment, step: Step) -> None:
    """A job leaves the store; what runs of it may finish, what waits is cancelled."""
    entry = world.jobs.get(event.job)
    if entry is None:
        step.reply(event.ask, job_not_found(world, event.job))
        return
    if entry.plan.origin is Origin.CONFIG:
        step.reply(event.ask, JobInUse(f"job {event.job!r} stands in the configuration; remove it there"))
        return
    needed_by = [other.job.id for other in world.jobs.values() if event.job in other.job.needs]
    if needed_by:
        step.reply(event.ask, JobInUse(f"job {event.job!r} is needed by {', '.join(needed_by)}; remove that first"))
        return
    followed_by = [other.job.id for other in world.jobs.values() if event.job in other.plan.upstream_jobs]
    if followed_by:
        step.reply(event.ask, JobInUse(f"job {event.job!r} is followed by {', '.join(followed_by)}; remove that first"))
        return
    step.discard(entry.job)
    drop(world, entry, now, step)
    step.reply(event.ask, {"job": event.job})


def paused(world: EngineState, event: SetPaused, now: Moment, step: Step) -> None:
    """A paused job starts nothing by itself; what waited goes on when it is resumed."""
    entry = world.jobs.get(event.job)
    if entry is None:
        step.reply(event.ask, job_not_found(world, event.job))
        return
    if entry.state.paused != event.paused:
        entry.state = evolve(entry.state, paused=event.paused)
        step.save(entry.state)
        step.request(JobChanged(event.job, "paused" if event.paused else "resumed"))
        release(world, event.job, now)
    step.reply(event.ask, {"job": event.job})


def configured(world: EngineState, event: Reconfigure, now: Moment, step: Step) -> None:
    """The configuration was read again: all of its jobs as they are now."""
    clash = [
        plan.job.id
        for plan in event.plans
        if plan.job.id in world.jobs and world.jobs[plan.job.id].plan.origin is Origin.STORE
    ]
    if clash:
        step.reply(event.ask, DuplicateJob(f"job {clash[0]!r} was added by hand already; rename one of the two"))
        return
    before, world.settings = world.settings, event.settings
    wanted = {plan.job.id for plan in event.plans}
    gone = [e for e in world.jobs.values() if e.plan.origin is Origin.CONFIG and e.job.id not in wanted]
    summary: dict[str, list[str]] = {"added": [], "changed": [], "removed": [entry.job.id for entry in gone]}
    for entry in gone:
        drop(world, entry, now, step)
    for plan in event.plans:
        change = put(world, plan, now, step)
        if change is not None:
            summary[change].append(plan.job.id)
    if world.settings != before:
        for job in list(world.held):
            release(world, job, now)
    step.reply(event.ask, summary)


def put(world: EngineState, plan: Plan, now: Moment, step: Step) -> str | None:
    """Have the job as planned; says whether it was added or changed. Triggers that stay the same stay armed."""
    job, known = plan.job, world.jobs.get(plan.job.id)
    if known is not None and known.plan == plan:
        return None
    old = known.plan.schedules if known else {}
    entry = known or JobEntry(plan, JobState(job.id))
    entry.plan = plan
    world.jobs[job.id] = entry
    for trigger, schedule in old.items():
        if plan.schedules.get(trigger) != schedule:
            world.timetable.leave((job.id, trigger))
    for trigger, schedule in plan.schedules.items():
        if old.get(trigger) != schedule:
            world.timetable.join((job.id, trigger), schedule, now.wall)
    cursors.begin(entry, now, step)
    change = "changed" if known else "added"
    step.request(JobChanged(job.id, change))
    release(world, job.id, now)
    guards.look_again(world, world.open_runs(job.id), now)
    return change


def drop(world: EngineState, entry: JobEntry, now: Moment, step: Step) -> None:
    """Have the job no more. Runs in hand finish."""
    job = entry.job.id
    for opened in world.open_runs(job):
        if not opened.run.state.active:
            end(world, opened, RunState.CANCELLED, Reason.REMOVED, now, step)
    for trigger in entry.plan.schedules:
        world.timetable.leave((job, trigger))
    for (owner, trigger), seen in list(world.seen.items()):
        if owner == job:
            del world.seen[owner, trigger]
            for value in seen.values():
                step.discard(value)
    for ref in entry.job.schedule:
        world.ended_at.pop((job, ref.id), None)
        world.chains.pop((job, ref.id), None)
    del world.jobs[job]
    step.discard(entry.state)
    step.request(JobChanged(job, "removed"))
    release(world, job, now)
