"""The whole: restored at the start, cancelled in parts, brought to a stop."""

from rae_auto.engine.effects import Step, Stopped
from rae_auto.engine.events import CancelRuns, Restored, Stop
from rae_auto.engine.jobs import job_not_found
from rae_auto.engine.runs.attempts import arm_timeout
from rae_auto.engine.runs.progress import end, finish, interrupt, must_end, wait
from rae_auto.engine.state import EngineState, JobEntry, RunEntry
from rae_auto.engine.time import cursors
from rae_auto.engine.time.timers import Alarm
from rae_auto.errors import RunNotFound
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.policies import OnCrash
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Run, RunState


def restored(world: EngineState, event: Restored, now: Moment, step: Step) -> None:
    """Take in what the configuration and the store hold.

    What fell due meanwhile is due at the next `TimePassed`: before that come the fates of what was in hand.
    """
    world.settings = event.settings
    states = {state.job: state for state in event.states}
    for plan in event.plans:
        entry = JobEntry(plan, states.pop(plan.job.id, JobState(plan.job.id)))
        world.jobs[plan.job.id] = entry
    for leftover in states.values():
        step.discard(leftover)
    for seen in sorted(event.seen, key=lambda seen: seen.at):
        world.seen.setdefault((seen.job, seen.trigger), {})[seen.key] = seen
    # What has begun comes first, whatever the clock did meanwhile: of a job's runs the oldest goes on.
    for run in sorted(event.runs, key=lambda run: (not run.attempt, run.queued_at, run.id)):
        _reopen(world, run, now, step)
    for entry in world.jobs.values():
        cursors.begin(entry, now, step)
        for trigger, schedule in entry.plan.schedules.items():
            world.timetable.join((entry.job.id, trigger), schedule, entry.state.cursors[trigger].at)
    world.restarted = True


def _reopen(world: EngineState, run: Run, now: Moment, step: Step) -> None:
    entry = world.jobs.get(run.job)
    # Without a definition a run can only be given up.
    opened = RunEntry(run, entry.job if entry else Job(id=run.job, command="gone", on_crash=OnCrash.FAIL))
    world.open(opened)
    if run.state.active:
        arm_timeout(world, opened, now)
    elif entry is None:
        finish(world, opened, RunState.CANCELLED, now, step, reason=Reason.REMOVED)
    else:
        wait(world, opened, now)


def cancel_asked(world: EngineState, event: CancelRuns, now: Moment, step: Step) -> None:
    """Somebody wants a run, or all open runs of a job, to end."""
    if event.run is not None:
        found = world.runs.get(event.run)
        if found is None:
            step.reply(event.ask, RunNotFound(f"no open run {event.run!r}; 'rae-auto history' lists the others"))
            return
        targets = [found]
    elif event.job in world.jobs or event.job in world.runs_of:
        targets = world.open_runs(event.job)
    else:
        step.reply(event.ask, job_not_found(world, event.job or ""))
        return
    for opened in targets:
        end(world, opened, RunState.CANCELLED, Reason.CANCELLED, now, step)
    step.reply(event.ask, {"cancelled": [opened.run.id for opened in targets]})


def stopping(world: EngineState, event: Stop, now: Moment, step: Step) -> None:
    """No new starts; what runs may end within the grace."""
    world.stopping = True
    world.leaving |= event.leave_running
    world.timers.set(now.mono + event.grace.total_seconds(), Alarm.GRACE_OVER)
    if not event.grace:
        interrupt(world, now, step)
    step.reply(event.ask, {})


def stop_when_idle(world: EngineState, step: Step) -> None:
    """A stopping engine is done once it has nothing in hand that the next one couldn't find; it says so once."""
    if world.stopping and not world.stopped and not any(must_end(world, o) for o in world.runs.values()):
        world.stopped = True
        step.request(Stopped())
