"""Jobs: added, changed, removed. Open runs go on under the definition that they were decided under."""

from collections.abc import Iterable

from rae_auto.engine.commands import AddJob, AddJobs, Reconfigure, RefreshPlans, RemoveJob
from rae_auto.engine.effects import JobChanged
from rae_auto.engine.notices.deliveries import retry_notices
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.engine.runs import expectations, guards, run_points
from rae_auto.engine.runs.ending import stop_run
from rae_auto.engine.runs.waiting import release, release_resources
from rae_auto.engine.state import EngineState, JobEntry
from rae_auto.engine.time import cursors
from rae_auto.engine.turn import Turn
from rae_auto.errors import DuplicateJob, InvalidJob, JobInUse, SchedulerError
from rae_auto.model.job import Job
from rae_auto.model.job_state import MAX_FORMER_INVOCATIONS, FormerInvocation, JobState
from rae_auto.model.primitives.evolving.slots import evolve_slots
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.graphs import find_cycle, reachable
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.reasons import Removed
from rae_auto.model.reasons.requesters import Requester
from rae_auto.model.run import RunState
from rae_auto.model.run_inputs import find_changed_parts, invocation_of


def add_job(turn: Turn, command: AddJob) -> None:
    """Add a job to the store, or change it where that is asked for."""
    refusal = _add(turn, command.plan, command)
    turn.step.reply(command.ask, refusal or {"job": command.plan.job.id})


def add_jobs(turn: Turn, command: AddJobs) -> None:
    """Add many jobs to the store. Each is a part of the turn, so that a fault in one leaves the others."""
    refused: dict[int, SchedulerError] = {}

    def add_one(turn: Turn, place: int, plan: Plan) -> None:
        refusal = _add(turn, plan, command)
        if refusal is not None:
            refused[place] = refusal

    for place, plan in enumerate(command.plans):
        if not turn.perform(add_one, place, plan):
            refused[place] = turn.describe_fault()
    turn.step.reply(command.ask, {"refused": refused})


def _add(turn: Turn, plan: Plan, command: AddJob | AddJobs) -> SchedulerError | None:
    """Add a job, or return why it is refused."""
    job = plan.job
    refusal = _find_refusal(turn.state, plan, may_replace=command.replace)
    if refusal is not None:
        return refusal
    turn.step.save(job)
    is_new = job.id not in turn.state.jobs
    put_job(turn, plan, command.added_by)
    entry = turn.state.jobs[job.id]
    if entry.state.added_by != command.added_by:
        entry.state = evolve_slots(entry.state, added_by=command.added_by)
        turn.step.save(entry.state)
    elif is_new and command.added_by is not None and not entry.state.cursors:
        # Otherwise it was saved with them.
        turn.step.save(entry.state)
    return None


def _find_refusal(state: EngineState, plan: Plan, *, may_replace: bool) -> SchedulerError | None:
    job, known = plan.job, state.jobs.get(plan.job.id)
    if known is not None and known.plan.origin is JobOrigin.CONFIG:
        return DuplicateJob(
            f"job {quote(job.id)} is defined in the configuration; change it there, or choose another name"
        )
    if known is not None and not may_replace:
        return DuplicateJob(f"job {quote(job.id)} exists already; replace it with --replace (in Python: replace=True)")
    for need in job.needs:
        if need not in state.jobs:
            return InvalidJob(
                f"job {quote(job.id)} needs {quote(need)}, which does not exist{did_you_mean(need, state.jobs)}"
            )
    for resource, units in job.resources.items():
        if resource not in state.settings.resources:
            hint = did_you_mean(resource, state.settings.resources)
            return InvalidJob(f"job {quote(job.id)}: unknown resource {quote(resource)}{hint}")
        if units > state.settings.resources[resource]:
            known_units = format_count(state.settings.resources[resource], "unit")
            return InvalidJob(f"job {quote(job.id)}: takes {units} of {known_units} of {quote(resource)}; take fewer")

    def needs_of(other: JobId) -> tuple[JobId, ...]:
        if other == job.id:
            return job.needs
        # A needed job of the configuration may be gone from it by now.
        return state.jobs[other].job.needs if other in state.jobs else ()

    cycle = find_cycle(reachable([job.id], needs_of)) if job.needs else None
    if cycle:
        return InvalidJob(f"job {quote(job.id)} would need itself: {' -> '.join(cycle)}; remove one of these needs")
    return _find_upstream_refusal(state, plan)


def _find_upstream_refusal(state: EngineState, plan: Plan) -> InvalidJob | None:
    """Return the problem with a job's upstream jobs: in a cycle each end would start the next round for ever."""
    if not plan.upstream_jobs:
        return None
    job = plan.job.id
    for upstream in plan.upstream_jobs:
        if upstream != job and upstream not in state.jobs:
            hint = did_you_mean(upstream, state.jobs)
            return InvalidJob(f"job {quote(job)} is triggered by job {quote(upstream)}, which does not exist{hint}")

    def upstream_of(other: JobId) -> tuple[JobId, ...]:
        if other == job:
            return plan.upstream_jobs
        # An upstream job of the configuration may be gone from it by now.
        return state.jobs[other].plan.upstream_jobs if other in state.jobs else ()

    cycle = find_cycle(reachable([job], upstream_of))
    if cycle is None:
        return None
    return InvalidJob(
        f"job {quote(job)} would start itself: {' -> '.join(reversed(cycle))}; remove one of these triggers"
    )


def remove_job(turn: Turn, command: RemoveJob) -> None:
    """Remove a job from the store: active runs of it may finish, waiting ones are cancelled."""
    entry = turn.state.jobs.get(command.job)
    if entry is None:
        turn.step.reply(command.ask, turn.state.job_not_found(command.job))
        return
    refusal = _find_removal_refusal(turn.state, entry)
    if refusal is not None:
        turn.step.reply(command.ask, refusal)
        return
    turn.step.discard(entry.job)
    drop_job(turn, entry)
    turn.step.reply(command.ask, {"job": command.job})


def _find_removal_refusal(state: EngineState, entry: JobEntry) -> JobInUse | None:
    job = entry.job.id
    if entry.plan.origin is JobOrigin.CONFIG:
        return JobInUse(f"job {quote(job)} is defined in the configuration; remove it there")
    return find_use(state, entry)


def find_use(state: EngineState, entry: JobEntry) -> JobInUse | None:
    """Return the problem with other jobs that refer to a job by its id, if there are any."""
    job = entry.job.id
    needed_by = [other.job.id for other in state.jobs.values() if job in other.job.needs]
    if needed_by:
        return JobInUse(f"job {quote(job)} is needed by {_join(needed_by)}; remove {_them(needed_by)} first")
    triggers = [other.job.id for other in state.jobs.values() if job in other.plan.upstream_jobs]
    if triggers:
        return JobInUse(f"job {quote(job)} triggers {_join(triggers)}; remove {_them(triggers)} first")
    return None


def _join(jobs: Iterable[JobId]) -> str:
    return ", ".join(map(quote, jobs))


def _them(jobs: list[JobId]) -> str:
    return "that job" if len(jobs) == 1 else "those jobs"


def reconfigure(turn: Turn, command: Reconfigure) -> None:
    """Replace the settings and all jobs of the configuration, whose jobs take the places of added ones of their names.

    The answer names the added jobs that were replaced as well; their definitions are gone from the store.
    """
    state = turn.state
    replaced = [plan.job.id for plan in command.plans if _is_stored(state, plan.job.id)]
    before, state.settings = state.settings, command.settings
    planned = {plan.job.id for plan in command.plans}
    gone = [e for e in state.jobs.values() if e.plan.origin is JobOrigin.CONFIG and e.job.id not in planned]
    summary: dict[str, list[str]] = {"added": [], "changed": [], "removed": [entry.job.id for entry in gone]}
    for entry in gone:
        drop_job(turn, entry)
    if replaced:
        summary["replaced"] = [*replaced]
    for plan in command.plans:
        if plan.job.id in replaced:
            turn.step.discard(state.jobs[plan.job.id].job)
        change = put_job(turn, plan)
        if change is not None:
            summary[change].append(plan.job.id)
    if state.settings.enabled != before.enabled:
        for entry in state.jobs.values():
            expectations.update_expectation(turn, entry)
    if state.settings != before:
        for key in list(state.blocked):
            release(turn, key)
    # A corrected notifier need not wait for the next try.
    retry_notices(turn)
    turn.step.reply(command.ask, summary)


def refresh_plans(turn: Turn, command: RefreshPlans) -> None:
    """Have jobs as they were defined, with plugins that were made again."""
    changed = []
    for plan in command.plans:
        known = turn.state.jobs.get(plan.job.id)
        if known is not None and known.job == plan.job and put_job(turn, plan) is not None:
            changed.append(plan.job.id)
    turn.step.reply(command.ask, {"changed": changed})


def _is_stored(state: EngineState, job: JobId) -> bool:
    return job in state.jobs and state.jobs[job].plan.origin is JobOrigin.STORE


def put_job(turn: Turn, plan: Plan, added_by: Requester | None = None) -> str | None:
    """Have the job as planned, and return "added", "changed" or None. Triggers that stay the same stay armed.

    A new one has been added by `added_by`. Its state is saved if it has cursors.
    """
    state, job, known = turn.state, plan.job, turn.state.jobs.get(plan.job.id)
    if known is not None and known.plan == plan:
        return None
    old = known.plan.schedules if known else {}
    if known is not None:
        release_resources(turn, known.job)
        _note_former_invocation(turn, known, job)
    if known is None:
        entry = JobEntry(plan, _begin_state(turn, plan, added_by), state.undo_log)
    else:
        entry = known
        entry.plan = plan
    state.jobs[job.id] = entry
    for trigger, schedule in old.items():
        if plan.schedules.get(trigger) != schedule:
            state.timetable.leave((job.id, trigger))
    if known is not None or plan.run_points:
        # Those of a new job count from an open run, if it has one from before it was removed.
        set_cursors(turn, entry)
    for trigger, schedule in entry.schedules().items():
        if trigger not in old or old[trigger] != plan.schedules[trigger]:
            state.timetable.join((job.id, trigger), schedule, turn.now.wall)
    expectations.update_expectation(turn, entry)
    change = "changed" if known else "added"
    turn.step.request(JobChanged(job.id, change))
    release(turn, job.id)
    guards.recheck_guards(turn, state.open_runs(job.id))
    return change


def _begin_state(turn: Turn, plan: Plan, added_by: Requester | None) -> JobState:
    """Return the state of a new job, which is saved if it has cursors."""
    first = plan.problem is None and cursors.cursors_for(plan, {}, turn.now.wall)
    if not first:
        return JobState(plan.job.id, added_by=added_by)
    # Made with them, not changed, because there may be a hundred thousand jobs.
    state = JobState(plan.job.id, cursors=first, added_by=added_by)
    turn.step.save(state)
    return state


def _note_former_invocation(turn: Turn, known: JobEntry, job: Job) -> None:
    """Note that the job starts something else from now on, for people who look at an earlier run."""
    changed, state = find_changed_parts(invocation_of(known.job), invocation_of(job)), known.state
    if not changed or (state.last_run is None and not any(turn.state.open_runs(job.id))):
        return
    kept = state.former_invocations[1 - MAX_FORMER_INVOCATIONS :]
    known.state = evolve_slots(state, former_invocations=(*kept, FormerInvocation(turn.now.wall, changed)))
    turn.step.save(known.state)


def set_cursors(turn: Turn, entry: JobEntry) -> None:
    """Have a cursor for each schedule of the job. One that can't be used keeps those it had."""
    if entry.plan.problem is not None:
        return
    current = cursors.cursors_for(entry.plan, entry.state.cursors, turn.now.wall)
    current = run_points.match_open_runs(turn, entry, current)
    if current is not entry.state.cursors:
        entry.state = evolve_slots(entry.state, cursors=current)
        turn.step.save(entry.state)


def drop_job(turn: Turn, entry: JobEntry) -> None:
    """Have the job no more. Active runs finish."""
    state, job = turn.state, entry.job.id
    for run_entry in state.open_runs(job):
        if not run_entry.is_active:
            stop_run(turn, run_entry, RunState.CANCELLED, Removed())
    for trigger in entry.plan.schedules:
        state.timetable.leave((job, trigger))
    for owner, trigger in list(state.seen):
        if owner == job:
            for seen in state.seen.pop((owner, trigger)).values():
                turn.step.discard(seen)
    for ref in entry.job.schedule:
        state.ended_at.pop((job, ref.id), None)
        state.feedback_chains.pop((job, ref.id), None)
    state.undecidable.pop(job)
    state.overdue_alarms.pop(job)
    del state.jobs[job]
    state.pause_ends.set(job, None)
    turn.step.discard(entry.state)
    turn.step.request(JobChanged(job, "removed"))
    release(turn, job)
