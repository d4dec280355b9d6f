"""Attempts: started, ended, timed out, adopted after a crash, repeated."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from rae_auto.engine.effects import QueueLeft
from rae_auto.engine.events import AttemptDequeued, AttemptEnded, AttemptFound, AttemptStarted
from rae_auto.engine.notices.reports import report_start
from rae_auto.engine.runs import expectations, retry
from rae_auto.engine.runs.ending import finish, request_cancel, stop_run
from rae_auto.engine.runs.judgement import explain_failure, judge_result
from rae_auto.engine.runs.waiting import release, release_resources, wait
from rae_auto.engine.state import Queued, RunEntry
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.job import Job
from rae_auto.model.policies import OnCrash
from rae_auto.model.primitives.evolving.slots import evolve_slots, maker_of
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import (
    CaughtUp,
    Due,
    End,
    HandedOver,
    InQueue,
    LostInCrash,
    RepeatedAfterCrash,
    StoreReverted,
    TimedOut,
    Unconfirmed,
)
from rae_auto.model.run import NO_TERMS, Attempt, AttemptTerms, QueuePlace, Result, Run, RunState

_make_attempt, _make_terms = maker_of(Attempt), maker_of(AttemptTerms)

NEVER_STARTED = "the daemon ended before the attempt started"
GIVEN_BACK = "its queue gave it back before it started"


def attempt_started(turn: Turn, event: AttemptStarted) -> None:
    """Note that an executor has started an attempt: from now on it can be adopted."""
    entry = turn.state.active_attempt(event.run, event.attempt)
    if entry is not None and entry.run.state is RunState.STARTING:
        if event.queue is not None:
            _enter_queue(turn, entry, event.queue, event.handle)
            return
        entry.run = entry.run.to(RunState.RUNNING, handle=event.handle)
        turn.step.save(entry.run)
        _report_first_start(turn, entry)


def attempt_dequeued(turn: Turn, event: AttemptDequeued) -> None:
    """Count the time of an attempt from its true start on, when it has left a queue elsewhere."""
    entry = turn.state.active_attempt(event.run, event.attempt)
    if entry is not None and entry.is_in_queue:
        _leave_queue(turn, entry, event.ago, event.taken_by)


def _leave_queue(turn: Turn, entry: RunEntry, ago: timedelta, taken_by: str = "") -> None:
    run, now = entry.run, turn.now
    started_at = _start_of(run, now.wall - ago, now.wall)
    elapsed = now.wall - started_at
    clocks = evolve(now, wall=started_at, mono=now.mono - elapsed.total_seconds())
    entry.run = _with_start(run.to(RunState.RUNNING, reason=None, clocks=clocks), started_at)
    turn.step.save(entry.run)
    if isinstance(run.reason, HandedOver):
        turn.step.effects.append(QueueLeft(entry.run, run.reason, started_at - run.reason.since, taken_by))
    set_timeout(turn, entry)
    expectations.watch_running_time(turn, entry)
    _report_first_start(turn, entry)


def _enter_queue(turn: Turn, entry: RunEntry, place: QueuePlace, handle: Mapping[str, Any]) -> None:
    """Note that an attempt, which counted as started when it was handed over, waits in a queue elsewhere."""
    kind = Unconfirmed if place.may_have_started else InQueue
    run, reason = entry.run, kind(place.queue, place.wanted, turn.now.wall)
    entry.run = evolve_slots(
        run,
        handle=handle,
        reason=reason,
        waited_for=(*(block for block in run.waited_for if not isinstance(block, HandedOver)), reason),
        started_at=run.started_at if run.attempts else None,
        attempt_started_at=None,
        clocks=None,
    )
    turn.step.save(entry.run)


def _start_of(run: Run, started_at: datetime, now: datetime) -> datetime:
    """Return when an attempt left its queue: while it was there, or after, however clocks were set."""
    since = run.reason.since if isinstance(run.reason, HandedOver) else now
    return min(max(started_at, since), now)


def _with_start(run: Run, started_at: datetime) -> Run:
    return evolve_slots(run, started_at=run.started_at or started_at, attempt_started_at=started_at)


def _with_true_start(run: Run, started_at: datetime, now: datetime) -> Run:
    """Return a run whose attempt did not start at once when that was decided, as its executor says.

    If the wall clock was set since, instants before and after that can't be compared, and the decision stays.
    """
    decided_at = run.attempt_started_at
    if decided_at is None or any(step.attempt == run.attempt for step in run.clock_steps):
        return run
    at = min(max(started_at, decided_at), now)
    return evolve_slots(run, started_at=run.started_at if run.attempts else at, attempt_started_at=at)


def _report_first_start(turn: Turn, entry: RunEntry) -> None:
    job_entry = turn.state.jobs.get(entry.run.job)
    if entry.run.attempt == 1 and job_entry is not None:
        report_start(turn, job_entry, entry.job.notify, entry.run)


def attempt_ended(turn: Turn, event: AttemptEnded) -> None:
    """End an attempt: its run is over too, or the attempt is repeated."""
    entry = turn.state.active_attempt(event.run, event.attempt)
    if entry is None:
        return
    result, stopping, job = event.result, entry.stopping, entry.job
    if result.started_at is not None:
        if entry.is_in_queue:
            entry.run = _with_start(entry.run, _start_of(entry.run, result.started_at, turn.now.wall))
        else:
            entry.run = _with_true_start(entry.run, result.started_at, turn.now.wall)
    if stopping is not None:
        state, reason = stopping.state, stopping.reason or explain_failure(result)
    else:
        state, reason = judge_result(job, result)
    attempt, policy = _attempt_of(entry.run, state, result, turn.now.wall), job.retry_policy
    is_failed = state is not RunState.SUCCEEDED
    if is_failed and retry.should_retry(policy, entry.run, state, result) and not entry.is_uncertain:
        _repeat(turn, entry, attempt, retry.retry_delay(policy, entry.run), reason)
    else:
        finish(turn, entry, state, reason=reason, attempt=attempt, result=result)


def attempt_found(turn: Turn, event: AttemptFound) -> None:
    """Adopt an attempt after a restart, or handle one whose result is unknown.

    A stop that was decided before the crash is carried out: again where the attempt is alive, and by ending the run
    where the attempt is gone. Such a run is never repeated, nor is one of a store that went back to an older state.
    """
    entry = turn.state.active_attempt(event.run, event.attempt)
    if entry is None:
        return
    if event.handle is not None:
        if event.queue is not None and entry.run.state is RunState.STARTING and not entry.is_uncertain:
            if not entry.is_in_queue:
                _enter_queue(turn, entry, event.queue, event.handle)
            entry.run = evolve_slots(entry.run, adopted_at=turn.now.wall)
        elif entry.is_in_queue:
            _leave_queue(turn, entry, timedelta(0))
            entry.run = evolve_slots(entry.run, handle=event.handle, adopted_at=turn.now.wall)
        elif entry.run.state is RunState.STARTING:
            entry.run = entry.run.to(RunState.RUNNING, handle=event.handle, reason=None, adopted_at=turn.now.wall)
        elif entry.is_uncertain:
            entry.run = evolve_slots(entry.run, reason=None)
        else:
            entry.run = evolve_slots(entry.run, adopted_at=turn.now.wall)
        turn.step.save(entry.run)
        if entry.stopping is not None:
            request_cancel(turn, entry)
        return
    stopping, is_uncertain = entry.stopping, entry.is_uncertain
    is_given_back = entry.is_in_queue and not event.started
    result = None if event.started else Result(error=GIVEN_BACK if is_given_back else NEVER_STARTED)
    attempt = _attempt_of(entry.run, RunState.LOST, result, turn.now.wall)
    if not attempt.is_end_known:
        attempt = evolve_slots(attempt, seen_until=_last_seen(turn, entry.run, event.silent))
    if stopping is not None:
        finish(turn, entry, stopping.state, reason=stopping.reason or LostInCrash(), attempt=attempt)
        return
    if is_uncertain:
        finish(turn, entry, RunState.LOST, reason=StoreReverted(), attempt=attempt)
        return
    policy = entry.job.retry_policy
    # Repeating what never started doubles nothing, whatever the job says about crashes.
    is_safe = not event.started or crash_policy(entry) is OnCrash.RERUN
    # What a queue gives back has met no crash.
    is_recovered = is_given_back or (is_safe and retry.can_recover((*entry.run.attempts, attempt)))
    is_repeated = is_recovered or retry.should_retry(policy, entry.run, RunState.LOST, None)
    if is_repeated:
        delay = retry.retry_delay(policy, entry.run) if event.started else timedelta(0)
        _repeat(turn, entry, attempt, delay, RepeatedAfterCrash())
    else:
        finish(turn, entry, RunState.LOST, reason=LostInCrash(), attempt=attempt)


def crash_policy(entry: RunEntry) -> OnCrash:
    """Return the job's `on_crash`, or the careful one: a request is repeated, a schedule comes round again."""
    if entry.job.on_crash is not None:
        return entry.job.on_crash
    return OnCrash.FAIL if isinstance(entry.run.cause, Due | CaughtUp) else OnCrash.RERUN


def terms_of(job: Job) -> AttemptTerms:
    """Return the terms of an attempt of the job."""
    return _make_terms(job.executor_ref, job.kill_after, job.timeout, job.success_codes, job.fail_on)


def set_timeout(turn: Turn, entry: RunEntry) -> None:
    """Set the timer of an attempt, counted from its start, which may lie before a restart."""
    if entry.job.timeout is not None:
        rings_at = turn.now.mono + entry.run.time_left(entry.job.timeout, turn.now).total_seconds()
        turn.state.timers.set(rings_at, Alarm.TIMEOUT, entry.run.id, entry.run.attempt)


def time_out(turn: Turn, run: RunId, attempt: int) -> None:
    """Stop an attempt that has used up its time."""
    entry = turn.state.active_attempt(run, attempt)
    if entry is None or entry.stopping is not None or entry.job.timeout is None or entry.is_in_queue:
        return
    if entry.run.time_left(entry.job.timeout, turn.now):
        # Set when it was handed over to a queue, which it has left since.
        set_timeout(turn, entry)
    else:
        stop_run(turn, entry, RunState.TIMED_OUT, TimedOut(entry.job.timeout))


def _attempt_of(run: Run, state: RunState, result: Result | None, now: datetime) -> Attempt:
    """Return the record of the run's current attempt, which is over."""
    ended_at = now if result is None or result.ended_at is None else _end_in_past(run, result.ended_at, now)
    if result is not None and (result.ended_at is not None or result.started_at is not None):
        # The record of the attempt says it.
        result = evolve_slots(result, ended_at=None, started_at=None)
    return _make_attempt(run.attempt, run.attempt_started_at or ended_at, ended_at, state, result)


def _end_in_past(run: Run, ended_at: datetime, now: datetime) -> datetime:
    """Return when an attempt ended that was over before now: after its start, however clocks were set."""
    return min(max(ended_at, run.attempt_started_at or now), now)


def _last_seen(turn: Turn, run: Run, silent: timedelta | None) -> datetime:
    """Return when an attempt with an unknown end was last known to be alive, between its start and now.

    One that this daemon started or adopted has been watched until now. Of others the last proof is that the daemon
    before this one was there: it would have noted the end. That says nothing of an attempt on another node.
    """
    now, started_at = turn.now.wall, run.attempt_started_at or turn.now.wall
    since = turn.state.restored_at
    if silent is not None:
        seen = now - silent
    elif run.node:
        seen = started_at
    elif since is None or max(started_at, run.adopted_at or started_at) >= since:
        seen = now
    else:
        seen = max(turn.state.daemon_seen_until or started_at, run.adopted_at or started_at)
    return max(min(seen, now), started_at)


def _repeat(turn: Turn, entry: RunEntry, attempt: Attempt, delay: timedelta, reason: End | None) -> None:
    """Let a run wait for its next attempt after one that is over."""
    turn.state.set_activity(entry, Queued())
    release_resources(turn, entry.job)
    retry_at = turn.now.wall + delay
    entry.run = entry.run.to(
        RunState.RETRYING,
        attempts=(*entry.run.attempts, evolve_slots(attempt, retry_at=retry_at)),
        not_before=retry_at,
        clocks=turn.now,
        reason=reason,
        handle=None,
        stopping=None,
        terms=NO_TERMS,
    )
    turn.step.save(entry.run)
    # The executor is asked again: what ended the attempt may keep the next one from starting.
    entry.guard_readings = None
    wait(turn, entry)
    release(turn, entry.run.job)
