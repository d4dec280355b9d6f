"""Guards: whether a run may start now. They are asked when it could start, not for the instant it was due.

Guards that depend on the time alone are computed here. The others look at the machine, so the runtime reads them: the
engine requests it (`ReadGuards`), lets the run wait (`AskingGuards`), and gets the answers as an event (`GuardsRead`).
Answers count for `MAX_READING_AGE` only; a run that has to wait for its turn after that has its guards asked again.
Meanwhile others go first, but only once: where the guards have said yes and there was no slot then, a slot is reserved
while they are asked the second time.

A run that a guard blocks waits for the job's guard timeout, counted from the first time a guard blocked it, and is
skipped then. Without a timeout a run of a schedule is skipped at once, because the schedule comes round again, and that
of an event waits for as long as it takes, because the event comes once. Its guards are asked again when a computed
guard changes its answer, or after `READ_INTERVAL`. Where the timeout passed unseen, because the daemon was down or the
machine slept, they are asked once more. But such a run doesn't keep the job's next occurrence from running: if that is
decided before the answers are there, the run is skipped first (`end_expired_waits`). One whose guards open just as its
timeout ends, which `next` names as its start, is let through, also where an occurrence is due at that instant. Retries
and manual runs skip the guards: a person, or the guards themselves, have said yes to them.

An executor whose attempts run elsewhere is one more guard, `EXECUTOR_GUARD`: every start waits for it, also a retry and
a manual run, and without a limit.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from attrs import evolve

from rae_auto.engine.effects import ReadGuards
from rae_auto.engine.events import GuardsRead
from rae_auto.engine.runs.ending import finish
from rae_auto.engine.runs.waiting import block, release, release_guarded
from rae_auto.engine.state import AskingGuards, Blocked, GuardReadings, JobEntry, Queued, RunEntry, guard_key
from rae_auto.engine.time.catch_up import MAX_LATENESS
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.decision import MANUAL
from rae_auto.model.guard import EXECUTOR_GUARD, Computed, GuardResult
from rae_auto.model.job import Job
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Cause, Fired, GuardBlocked
from rae_auto.model.run import GuardWait, Run, RunState

MAX_READING_AGE = timedelta(seconds=5)
"""Time for which the verdict of a guard stays valid."""

READ_INTERVAL = timedelta(seconds=15)
"""After what time a guard that said no is read again, for a run that waits."""


EXECUTOR_INTERVAL = timedelta(seconds=5)
"""After what time an executor that was not ready is asked again, for a run that waits."""

Guards = Mapping[str, Computed | None]
"""Guards by id; None for one that the runtime must read."""


def wait_limit(job: Job, cause: Cause) -> timedelta | None:
    """Return how long a run of this cause waits for guards that block it; None without a limit."""
    return None if isinstance(cause, Fired) and not job.guard_timeout else job.guard_timeout


def find_certain_block(entry: JobEntry, trigger: str, cause: Cause, starts_at: datetime) -> GuardBlocked | None:
    """Return the guard that is certain, as of now, to block a run at `starts_at`.

    Only where the run wouldn't wait for it: so an occurrence that is skipped leaves no run.
    """
    if trigger == MANUAL or not entry.plan.guards or wait_limit(entry.job, cause) != timedelta(0):
        return None
    for name, guard in entry.plan.guards.items():
        if guard is not None and not (result := guard.evaluate(starts_at)).allows:
            return GuardBlocked.from_result(name, result)
    return None


def check_guards(turn: Turn, entry: RunEntry) -> bool:
    """Tell whether the guards let the run start now. If not, the run now waits for them, or is skipped."""
    job_entry = turn.state.jobs.get(entry.run.job)
    if job_entry is None or not job_entry.plan.guards:
        return True
    guards = _guards_of(job_entry, entry.run)
    if not guards:
        return True
    results = _current_results(turn, guards, entry)
    blocker = next((GuardBlocked.from_result(name, r) for name, r in results.items() if not r.allows), None)
    if blocker is not None:
        _block_run(turn, job_entry, entry, blocker)
        return False
    unread = {name: job_entry.plan.readers.get(name) for name in guards if name not in results}
    if unread:
        _ask_guards(turn, entry, unread)
        return False
    entry.run = evolve(entry.run, conditions=evolve(entry.run.conditions, guards=results))
    return True


def guards_read(turn: Turn, event: GuardsRead) -> None:
    """Take the answers of guards: their run may be dispatched again."""
    entry = turn.state.runs.get(event.run)
    if entry is not None:
        entry.guard_readings = GuardReadings(event.results, turn.now.mono)
        release(turn, guard_key(event.run))


def recheck_guard(turn: Turn, run: RunId) -> None:
    """Ask the guards of a run again, because the time has come when one of them may have changed its answer."""
    entry = turn.state.runs.get(run)
    if entry is not None and isinstance(entry.activity, Blocked) and turn.now.mono >= entry.activity.recheck_at:
        release_guarded(turn, entry)


def recheck_guards(turn: Turn, entries: Iterable[RunEntry]) -> None:
    """Ask the guards of these runs again, because the clock has jumped or the guards were changed."""
    for entry in list(entries):
        release_guarded(turn, entry)


def end_expired_waits(turn: Turn, job: JobId) -> None:
    """Skip the runs of a job that have waited for guards too long: call it before an occurrence of it is decided."""
    for entry in turn.state.open_runs(job):
        wait = entry.run.guard_wait
        if wait is not None and isinstance(wait.by, GuardBlocked) and _has_expired(turn, entry, wait.since, wait.by):
            finish(turn, entry, RunState.SKIPPED, reason=wait.by)


def _has_expired(turn: Turn, entry: RunEntry, since: Moment, blocker: GuardBlocked) -> bool:
    job_entry, run = turn.state.jobs.get(entry.run.job), entry.run
    # A run that was released a moment ago, after a sleep or a restart, hasn't been let through by its guards either.
    is_released = isinstance(entry.activity, Queued) and not run.conditions.guards
    if job_entry is None or run.attempt or not (entry.waits_for_guards or is_released):
        return False
    limit = _limit_of(job_entry.job, run, blocker)
    if limit is None:
        return False
    late = turn.now.elapsed_since(since) - limit
    return late >= timedelta(0) and (late > MAX_LATENESS or not _let_through_now(turn, job_entry, entry))


def _let_through_now(turn: Turn, job_entry: JobEntry, entry: RunEntry) -> bool:
    """Tell whether the answers of all guards of a run are there, and are yes."""
    guards = _guards_of(job_entry, entry.run)
    results = _current_results(turn, guards, entry)
    return len(results) == len(guards) and all(result.allows for result in results.values())


def _limit_of(job: Job, run: Run, blocker: GuardBlocked) -> timedelta | None:
    # An executor that can't be reached decides nothing about the run, so its runs wait without a limit.
    return None if blocker.guard == EXECUTOR_GUARD else wait_limit(job, run.cause)


def _guards_of(job_entry: JobEntry, run: Run) -> Guards:
    """Return the guards that the start of a run needs: for a retry or a manual run only that of its executor."""
    plan = job_entry.plan
    if run.attempt or run.trigger == MANUAL:
        return {EXECUTOR_GUARD: None} if plan.asks_executor else {}
    return plan.guards


def _current_results(turn: Turn, guards: Guards, entry: RunEntry) -> Mapping[str, GuardResult]:
    """Return the answers that count now: those computed, and those that were read a moment ago."""
    readings = entry.guard_readings
    is_fresh = readings is not None and turn.now.mono - readings.at <= MAX_READING_AGE.total_seconds()
    results = {}
    for name, guard in guards.items():
        if guard is not None:
            results[name] = guard.evaluate(turn.now.wall)
        elif readings is not None and is_fresh and name in readings.results:
            results[name] = readings.results[name]
    return results


def _ask_guards(turn: Turn, entry: RunEntry, readers: Mapping[str, object]) -> None:
    run, readings = entry.run, entry.guard_readings
    turn.step.request(ReadGuards(run.id, run.job, readers))
    has_slot = readings is not None and all(result.allows for result in readings.results.values())
    if has_slot and entry.resources_wanted_since is None:
        entry.resources_wanted_since = turn.now.mono
    turn.state.set_activity(entry, AskingGuards(has_slot))
    turn.state.block(run.id, guard_key(run.id))


def _block_run(turn: Turn, job_entry: JobEntry, entry: RunEntry, blocker: GuardBlocked) -> None:
    now, known = turn.now, entry.run.guard_wait
    waited = now.elapsed_since(known.since) if known else timedelta(0)
    limit = _limit_of(job_entry.job, entry.run, blocker)
    left = timedelta.max if limit is None else limit - waited
    if left <= timedelta(0):
        finish(turn, entry, RunState.SKIPPED, reason=blocker)
        return
    if known is None:
        # Saved, so that a restart doesn't count from the start again.
        entry.run = evolve(entry.run, guard_wait=GuardWait(now, blocker))
        turn.step.save(entry.run)
    entry.guard_readings = None
    recheck_at = now.mono + min(left, _time_until_change(job_entry, blocker.guard, now.wall)).total_seconds()
    block(turn, entry, blocker, guard_key(entry.run.id), recheck_at)
    turn.state.timers.set(recheck_at, Alarm.GUARD, entry.run.id)


def _time_until_change(entry: JobEntry, name: str, now: datetime) -> timedelta:
    guard = entry.plan.guards.get(name)
    if guard is None:
        return EXECUTOR_INTERVAL if name == EXECUTOR_GUARD else READ_INTERVAL
    change = guard.changes_after(now)
    return timedelta.max if change is None else max(change - now, timedelta(milliseconds=1))
