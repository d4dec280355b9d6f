"""Attempts: started, ended, timed out, found again after a crash, tried again."""

from datetime import datetime, timedelta

from attrs import evolve

from rae_auto.engine.effects import Step
from rae_auto.engine.events import AttemptEnded, AttemptFound, AttemptStarted
from rae_auto.engine.runs import retry
from rae_auto.engine.runs.progress import end, finish, release, wait
from rae_auto.engine.state import EngineState, RunEntry, resource_key
from rae_auto.engine.time.timers import Alarm
from rae_auto.model.policies import OnCrash
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Attempt, Result, Run, RunState

NEVER_BEGAN = "the daemon ended before it began"


def started(world: EngineState, event: AttemptStarted, _: Moment, step: Step) -> None:
    """The executor has it in hand: from now on it can be found again."""
    opened = world.attempt(event.run, event.attempt)
    if opened is not None and opened.run.state is RunState.STARTING:
        opened.run = opened.run.to(RunState.RUNNING, handle=event.handle)
        step.save(opened.run)


def ended(world: EngineState, event: AttemptEnded, now: Moment, step: Step) -> None:
    """The attempt is over: so is the run, or it is tried again."""
    opened = world.attempt(event.run, event.attempt)
    if opened is None:
        return
    result = event.result
    state = opened.ending or (RunState.SUCCEEDED if result.ok else RunState.FAILED)
    reason = opened.ending_reason or explain(result)
    _close_attempt(world, opened, state, now, result)
    policy = opened.job.retry_policy
    if retry.tried_again(policy, opened.run, state, result):
        _try_again(world, opened, retry.delay_after(policy, opened.run), reason, now, step)
    else:
        finish(world, opened, state, now, step, result=result, reason=reason)


def found(world: EngineState, event: AttemptFound, now: Moment, step: Step) -> None:
    """After a restart: an attempt goes on under the new daemon, or its fate is unknown."""
    opened = world.attempt(event.run, event.attempt)
    if opened is None:
        return
    if event.handle is not None:
        if opened.run.state is RunState.STARTING:
            opened.run = opened.run.to(RunState.RUNNING, handle=event.handle)
            step.save(opened.run)
        return
    _close_attempt(world, opened, RunState.LOST, now, None if event.begun else Result(error=NEVER_BEGAN))
    policy = opened.job.retry_policy
    # What never began is not doubled by beginning it, whatever the job says of crashes.
    is_safe = not event.begun or on_crash(opened) is OnCrash.RERUN
    again = (is_safe and retry.may_recover(opened.run)) or retry.tried_again(policy, opened.run, RunState.LOST, None)
    if again and opened.ending is None:
        delay = retry.delay_after(policy, opened.run) if event.begun else timedelta(0)
        _try_again(world, opened, delay, Reason.RECOVERED, now, step)
    else:
        finish(world, opened, opened.ending or RunState.LOST, now, step, reason=Reason.LOST)


def on_crash(opened: RunEntry) -> OnCrash:
    """The job's choice, or the careful one: what somebody asked for is done again, a schedule comes round."""
    if opened.job.on_crash is not None:
        return opened.job.on_crash
    return OnCrash.FAIL if opened.run.cause in (Reason.DUE, Reason.CAUGHT_UP) else OnCrash.RERUN


def arm_timeout(world: EngineState, opened: RunEntry, now: Moment) -> None:
    """Count the attempt's time from its start, which may lie before a restart."""
    started_at = opened.run.attempt_started_at
    if opened.job.timeout is not None and started_at is not None:
        left = max(opened.job.timeout - (now.wall - started_at), timedelta(0))
        world.timers.set(now.mono + left.total_seconds(), Alarm.TIMEOUT, opened.run.id, opened.run.attempt)


def time_out(world: EngineState, run: RunId, attempt: int, now: Moment, step: Step) -> None:
    """The attempt has had its time."""
    opened = world.attempt(run, attempt)
    if opened is not None and opened.ending is None:
        end(world, opened, RunState.TIMED_OUT, None, now, step)


def explain(result: Result) -> str | None:
    """One line on how an attempt ended, where its exit code doesn't say it all."""
    if result.error:
        return result.error
    return f"killed by signal {result.signal}" if result.signal is not None else None


def _close_attempt(world: EngineState, opened: RunEntry, state: RunState, now: Moment, result: Result | None) -> None:
    run = opened.run
    world.give_place(opened)
    for resource in opened.job.resources:
        release(world, resource_key(resource), now)
    opened.run = evolve(
        run, attempts=(*run.attempts, Attempt(run.attempt, _start_of(run, now), now.wall, state, result))
    )


def _start_of(run: Run, now: Moment) -> datetime:
    return run.attempt_started_at or now.wall


def _try_again(
    world: EngineState, opened: RunEntry, delay: timedelta, reason: str | None, now: Moment, step: Step
) -> None:
    opened.ending = opened.ending_reason = None
    opened.run = opened.run.to(RunState.RETRYING, not_before=now.wall + delay, reason=reason, handle=None)
    step.save(opened.run)
    wait(world, opened, now)
    release(world, opened.run.job, now)
