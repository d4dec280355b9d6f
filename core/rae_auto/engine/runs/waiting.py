"""Waiting: until a run's time has come, in the queue, or for what blocks it."""

from datetime import datetime

from rae_auto.engine.state import Blocked, Delayed, Queued, RunEntry, guard_key, resource_key
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.job import Job
from rae_auto.model.reasons import Block, RetryDelayed, StartDelayed
from rae_auto.model.run import RunState

FAULT_RETRY_SECONDS = 60.0
"""Time after which what failed because of a fault of the engine is tried again."""


def wait(turn: Turn, entry: RunEntry) -> None:
    """Let a run wait until its time has come, if it has one, and then in the queue."""
    run, now = entry.run, turn.now
    if run.not_before is None or not (left := run.delay_left(now)):
        enqueue(turn, entry)
        return
    rings_at = now.mono + left.total_seconds()
    turn.state.timers.set(rings_at, Alarm.READY, run.id, run.attempt)
    turn.state.set_activity(entry, Delayed())
    _note_wait(entry, delay_of(entry, run.not_before))


def delay_of(entry: RunEntry, until: datetime) -> RetryDelayed | StartDelayed:
    """Return why a run is delayed until then: for a retry, or before its first attempt."""
    run = entry.run
    if run.state is RunState.RETRYING and run.attempts:
        return RetryDelayed(run.attempt, entry.job.retry_policy.attempts, run.attempts[-1].end_text, until)
    return StartDelayed(until, run.waits_after_event)


def enqueue(turn: Turn, entry: RunEntry) -> None:
    """Let a run wait in the queue."""
    if not isinstance(entry.activity, Queued):
        turn.state.set_activity(entry, Queued())
    turn.state.queue.push(entry.run.id, entry.rank)


def block(turn: Turn, entry: RunEntry, by: Block, key: str, recheck_at: float = float("inf")) -> None:
    """Let a run wait until `key` (a job's id, or a resource's or guard's key) is released."""
    turn.state.set_activity(entry, Blocked(by, recheck_at))
    _note_wait(entry, by)
    turn.state.block(entry.run.id, key)


def release(turn: Turn, key: str) -> None:
    """Let the runs that wait for a job, a resource or a guard try again, because something happened to it."""
    for run in turn.state.blocked.pop(key, ()):
        if run in turn.state.runs:
            wait(turn, turn.state.runs[run])


def release_resources(turn: Turn, job: Job) -> None:
    """Let the runs that wait for a resource of the job try again: some of it may have become free for them."""
    for resource in job.resources:
        release(turn, resource_key(resource))


def release_guarded(turn: Turn, entry: RunEntry) -> None:
    """Let a run ask its guards again if it waits for them: their results may have changed."""
    if entry.waits_for_guards:
        entry.guard_readings = None
        release(turn, guard_key(entry.run.id))


def all_waits(entry: RunEntry) -> tuple[Block, ...]:
    """Return what the run has waited for, before a restart too, each code once."""
    if not entry.waited_for:
        return entry.run.waited_for
    waits: dict[str, Block] = {}
    for reason in (*entry.run.waited_for, *entry.waited_for):
        waits.setdefault(reason.code, reason)
    return tuple(waits.values())


def _note_wait(entry: RunEntry, by: Block) -> None:
    if all(by.code != known.code for known in entry.waited_for):
        entry.waited_for = (*entry.waited_for, by)
