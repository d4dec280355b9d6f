"""Open runs: waiting, being ended before their time, and finishing."""

from attrs import evolve

from rae_auto.engine.effects import Cancel, Notify, Step
from rae_auto.engine.queue import rank
from rae_auto.engine.state import EngineState, RunEntry
from rae_auto.engine.time.timers import Alarm
from rae_auto.model.job_state import JobState
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Result, Run, RunState


def wait(world: EngineState, opened: RunEntry, now: Moment) -> None:
    """Let a run wait for its turn, and before that for its time, if it has one."""
    run = opened.run
    world.let_place_go(opened)
    if run.not_before is not None and run.not_before > now.wall:
        world.timers.set(now.mono + (run.not_before - now.wall).total_seconds(), Alarm.READY, run.id, run.attempt)
        opened.delayed, opened.held_by = True, None
        _note_wait(opened, Reason.DELAYED)
    else:
        queue_up(world, opened)


def queue_up(world: EngineState, opened: RunEntry) -> None:
    """Let a run wait for its turn."""
    opened.delayed, opened.held_by = False, None
    world.queue.push(opened.run.id, rank(opened.job.priority, opened.run.queued_at))


def hold(
    world: EngineState, opened: RunEntry, until: str, reason: Reason, text: str, *, is_worth_telling: bool = True
) -> None:
    """Set a run aside until something happens to the job, the resource or the guard `until`."""
    opened.held_by = (reason, text)
    if is_worth_telling:
        _note_wait(opened, reason)
    world.held.setdefault(until, []).append(opened.run.id)


def all_waits(opened: RunEntry) -> tuple[Reason, ...]:
    """What the run has waited for, before a restart too."""
    return tuple(dict.fromkeys((*opened.run.waited_for, *opened.waited_for)))


def _note_wait(opened: RunEntry, reason: Reason) -> None:
    if reason not in opened.waited_for:
        opened.waited_for = (*opened.waited_for, reason)


def release(world: EngineState, until: str, now: Moment) -> None:
    """Something happened to the job, the resource or the guard: those that waited for it may try again."""
    for run in world.held.pop(until, ()):
        if run in world.runs:
            wait(world, world.runs[run], now)


def end(world: EngineState, opened: RunEntry, state: RunState, reason: Reason | None, now: Moment, step: Step) -> None:
    """Bring a run to an end before its time: at once if nothing of it is in hand, else by way of its executor."""
    if not opened.run.state.active:
        finish(world, opened, RunState.CANCELLED, now, step, reason=reason)
        return
    if opened.ending is None:
        opened.ending, opened.ending_reason = state, reason
    step.request(Cancel(opened.run.id, opened.run.attempt, opened.job.kill_after))


def finish(
    world: EngineState,
    opened: RunEntry,
    state: RunState,
    now: Moment,
    step: Step,
    *,
    result: Result | None = None,
    reason: str | None = None,
) -> None:
    """The run is over: on record, remembered with its job, told, and out of the way of those that waited for it."""
    run = opened.run.to(
        state,
        finished_at=now.wall,
        exit_code=result and result.exit_code,
        reason=reason,
        handle=None,
        not_before=None,
        waited_for=all_waits(opened),
    )
    step.discard(run)
    step.record(run)
    world.close(opened)
    if run.cause is Reason.FIRED:
        world.ended_at[run.job, run.trigger] = now.mono
    entry = world.jobs.get(run.job)
    if entry is not None and run.attempt:
        before, entry.state = entry.state, _after(entry.state, run)
        step.save(entry.state)
        _tell(opened, before, run, step)
    release(world, run.job, now)


def must_end(world: EngineState, opened: RunEntry) -> bool:
    """Whether a stop has to wait for the run: it is in hand, and the next daemon couldn't find it."""
    return opened.run.state.active and not (world.leaving and opened.run.handle)


def interrupt(world: EngineState, now: Moment, step: Step) -> None:
    """A shutdown has waited long enough: whatever is in hand is ended."""
    for opened in list(world.runs.values()):
        if must_end(world, opened):
            end(world, opened, RunState.INTERRUPTED, Reason.STOPPING, now, step)


def _after(state: JobState, run: Run) -> JobState:
    failures = 0 if run.state is RunState.SUCCEEDED else state.failures + 1
    return evolve(state, last_state=run.state, last_run=run.id, last_finished_at=run.finished_at, failures=failures)


def _tell(opened: RunEntry, before: JobState, run: Run, step: Step) -> None:
    if run.state is RunState.SUCCEEDED:
        kinds = [NotifyOn.SUCCESS, *([NotifyOn.RECOVERY] if before.failures else [])]
    else:
        kinds = [] if run.state is RunState.CANCELLED else [NotifyOn.FAILURE]
    for kind in kinds:
        if kind in opened.job.notify.on:
            step.request(Notify(kind, opened.job, run))
