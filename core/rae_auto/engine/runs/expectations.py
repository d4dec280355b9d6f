"""Expectations: jobs that should have succeeded by now, and runs that should have ended by now.

Theory
======

*What is durable.* A job that is expected to succeed has an `Expectation` in its state: since when it is waited for, and
whether it is overdue. A run that has run for too long has that in `Run.overran_at`. Both are latches: they are set and
saved in the turn that requests the report, so that a breach is reported once, however often the daemon starts.

*Who is expected.* An enabled job with `expect.every` that is not paused. When that begins (the job is added, enabled or
resumed) the time begins again. When it ends, the expectation goes without a report: a person has asked for that.

*No polling.* A job has one alarm that counts, at the end of its time (`overdue_alarms`). A success doesn't set another
one: the alarm rings early then, and is set for what is left. So a job that succeeds each second costs one wake-up in
`every`.

*Clocks.* The time counts by the clocks that can't be set, sleep included; only across a boot the wall clock has to be
believed, once. A machine that slept, or had no daemon, when a success should have come could not run the job: then it
has the whole grace from now on, in which catch-up may start it. It gets that once for each success, or a daemon that
restarts all the time would never report anything. The time of a run leaves sleep out, as a timeout does.
"""

from datetime import timedelta

from attrs import evolve

from rae_auto.engine.effects import ExpectationBreached, ExpectationMet
from rae_auto.engine.notices.reports import report_breach
from rae_auto.engine.state import JobEntry, RunEntry
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.expectations import Expectation, ExpectPolicy, Overrun, describe_overdue
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import Run, RunState


def set_expectation(turn: Turn, entry: JobEntry) -> bool:
    """Have the job wait for its next success, or not; return whether its state changed. The caller saves it."""
    policy, before = entry.job.expect, entry.state.expectation
    is_on = entry.job.enabled and turn.state.settings.enabled and not entry.state.paused
    if policy.every is None or not is_on:
        turn.state.overdue_alarms.pop(entry.job.id)
        wanted = None
    else:
        wanted = before or Expectation(turn.now)
        left = wanted.time_left(policy, turn.now)
        if wanted.overdue_at is not None and left is not None and left > timedelta(0):
            # By another definition it isn't overdue.
            wanted = evolve(wanted, overdue_at=None)
    if wanted == before:
        _set_alarm(turn, entry)
        return False
    entry.state = evolve(entry.state, expectation=wanted)
    _set_alarm(turn, entry)
    return True


def update_expectation(turn: Turn, entry: JobEntry) -> None:
    """Have the job wait for its next success, or not, after its definition or the settings have changed."""
    if (entry.job.expect.every is not None or entry.state.expectation) and set_expectation(turn, entry):
        turn.step.save(entry.state)


def restore_expectation(turn: Turn, entry: JobEntry) -> None:
    """Go on waiting for a job's next success after a restart."""
    known = entry.state.expectation
    if known is not None:
        moved = known.move_to_boot(turn.now).extend(entry.job.expect, turn.now)
        if moved != known:
            entry.state = evolve(entry.state, expectation=moved)
            turn.step.save(entry.state)
    update_expectation(turn, entry)


def _set_alarm(turn: Turn, entry: JobEntry) -> None:
    """Set the job's alarm, unless nothing is expected or the job is overdue already."""
    expectation = entry.state.expectation
    left = None if expectation is None else expectation.time_left(entry.job.expect, turn.now)
    if expectation is None or left is None or expectation.overdue_at is not None:
        return
    rings_at = turn.now.mono + max(left.total_seconds(), 0.0)
    turn.state.overdue_alarms[entry.job.id] = rings_at
    turn.state.timers.set(rings_at, Alarm.OVERDUE, entry.job.id)


def notice_overdue(turn: Turn, job: JobId) -> None:
    """Report a job whose success has not come in time; once."""
    state, entry = turn.state, turn.state.jobs.get(job)
    expectation = None if entry is None else entry.state.expectation
    is_stale = state.overdue_alarms.get(job, float("inf")) > turn.now.mono
    if entry is None or expectation is None or is_stale or state.is_stopping:
        return
    left = expectation.time_left(entry.job.expect, turn.now)
    if left is None or expectation.overdue_at is not None:
        return
    if left > timedelta(0):
        _set_alarm(turn, entry)
        return
    state.overdue_alarms.pop(job)
    expectation = evolve(expectation, overdue_at=turn.now.wall)
    entry.state = evolve(entry.state, expectation=expectation)
    turn.step.save(entry.state)
    breach = describe_overdue(entry.job.expect, expectation)
    assert breach is not None
    turn.step.request(ExpectationBreached(entry.job, breach))
    report_breach(turn, entry, breach)


def watch_running_time(turn: Turn, entry: RunEntry) -> None:
    """Set the alarm of an active run that may take so long and no longer, unless it was reported already."""
    limit = entry.job.expect.max_runtime
    if limit is not None and entry.run.overran_at is None:
        left = max((limit - entry.run.running_time(turn.now)).total_seconds(), 0.0)
        turn.state.timers.set(turn.now.mono + left, Alarm.OVERRUN, entry.run.id, entry.run.attempt)


def notice_overrun(turn: Turn, run: RunId, attempt: int) -> None:
    """Report a run that has been running for longer than expected; once."""
    entry = turn.state.active_attempt(run, attempt)
    if entry is None or entry.run.overran_at is not None or entry.is_in_queue:
        return
    limit = entry.job.expect.max_runtime
    if limit is not None and entry.run.running_time(turn.now) < limit:
        # Set when it was handed over to a queue, which it has left since.
        watch_running_time(turn, entry)
        return
    entry.run = evolve(entry.run, overran_at=turn.now.wall)
    turn.step.save(entry.run)
    breach = describe_overrun(entry.job.expect, entry.run)
    if breach is not None:
        turn.step.request(ExpectationBreached(entry.job, breach))
        job_entry = turn.state.jobs.get(entry.run.job)
        if job_entry is not None:
            report_breach(turn, job_entry, breach, entry.run)


def describe_overrun(policy: ExpectPolicy, run: Run) -> Overrun | None:
    """Return how a run takes, or took, too long; None if it doesn't, or didn't."""
    if run.overran_at is None or run.started_at is None or policy.max_runtime is None:
        return None
    return Overrun(run.id, run.started_at, policy.max_runtime)


def meet_expectations(turn: Turn, job_entry: JobEntry, job: Job, run: Run) -> None:
    """End what is over with a run: its own breach, and with a success that of its job. The caller saves the state.

    `job` is the definition that the run was decided under.
    """
    overrun = describe_overrun(job.expect, run)
    if overrun is not None:
        turn.step.request(ExpectationMet(job, overrun, run))
    before = job_entry.state.expectation
    if before is None or run.state is not RunState.SUCCEEDED:
        return
    # A result that was found only now has an end in the past.
    succeeded_at = turn.now.later((run.finished_at or turn.now.wall) - turn.now.wall)
    job_entry.state = evolve(job_entry.state, expectation=Expectation(succeeded_at))
    overdue = describe_overdue(job_entry.job.expect, before)
    if overdue is not None:
        turn.step.request(ExpectationMet(job_entry.job, overdue, run))
        _set_alarm(turn, job_entry)


def move_expectations(turn: Turn, set_by: timedelta) -> None:
    """Let the ends of what is expected be as far away as before, after the wall clock was set."""
    for entry in turn.state.jobs.values():
        if entry.state.expectation is not None:
            entry.state = evolve(entry.state, expectation=entry.state.expectation.after_clock_set(set_by))
            turn.step.save(entry.state)


def recheck_expectations(turn: Turn) -> None:
    """Count the time that the machine slept, and give the jobs time to catch up."""
    for entry in turn.state.jobs.values():
        known = entry.state.expectation
        if known is None:
            continue
        extended = known.extend(entry.job.expect, turn.now)
        if extended != known:
            entry.state = evolve(entry.state, expectation=extended)
            turn.step.save(entry.state)
        _set_alarm(turn, entry)
