"""Endings: runs that are over, and runs that are to end before their time."""

from rae_auto.engine.effects import Cancel
from rae_auto.engine.notices.reports import report_end
from rae_auto.engine.runs import expectations, run_points
from rae_auto.engine.runs.copies import evolve_job_state, evolve_run
from rae_auto.engine.runs.waiting import all_waits, release, release_resources
from rae_auto.engine.state import Active, RunEntry
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.job_state import JobState, RunTotal
from rae_auto.model.primitives.evolving.slots import evolve_slots
from rae_auto.model.reasons import End, Fired
from rae_auto.model.run import NO_TERMS, Attempt, Result, Run, RunState, Stopping, allow_transition

_NO_RUNS = RunTotal()
_NAMES = {state: state.value for state in RunState}
"""The names of states; `value` of an enumeration is two functions of Python."""

SAVE_INTERRUPTIONS_SECONDS = 0.2
"""Time after which interruptions are saved: the runs have been asked to end by then, for which no store is needed."""


def stop_run(turn: Turn, entry: RunEntry, state: RunState, reason: End | None) -> None:
    """End a run before its time: at once if it has no active attempt, else by way of its executor.

    The first target state counts; a later call only requests the cancellation again.
    """
    if not entry.is_active:
        finish(turn, entry, RunState.CANCELLED, reason=reason)
        return
    if entry.stopping is None:
        if state is RunState.INTERRUPTED:
            turn.state.set_activity(entry, Active(is_interrupted=True))
        else:
            entry.run = evolve_slots(entry.run, stopping=Stopping(state, reason))
            turn.step.save(entry.run)
    request_cancel(turn, entry)


def request_cancel(turn: Turn, entry: RunEntry) -> None:
    """Request that the executor end the run's attempt."""
    turn.step.request(Cancel(entry.run.id, entry.run.attempt, entry.job.kill_after))


def finish(
    turn: Turn,
    entry: RunEntry,
    state: RunState,
    *,
    reason: End | None,
    attempt: Attempt | None = None,
    result: Result | None = None,
) -> None:
    """End a run: record it, update its job's state, request notices, and release the runs that waited for it.

    `attempt` is its last one, where that ends now; `result` is that by which the run is judged.
    """
    run = evolve_run(
        entry.run,
        state=allow_transition(entry.run, state),
        attempts=entry.run.attempts if attempt is None else (*entry.run.attempts, attempt),
        # A result that was found only now has an end in the past.
        finished_at=turn.now.wall if result is None or attempt is None else attempt.finished_at,
        exit_code=result and result.exit_code,
        reason=reason,
        handle=None,
        not_before=None,
        clocks=None,
        terms=NO_TERMS,
        stopping=None,
        waited_for=all_waits(entry),
    )
    turn.step.discard(run)
    turn.step.record(run)
    turn.state.close(entry)
    if entry.job.resources and (attempt is not None or entry.resources_wanted_since is not None):
        # It had them, or something may have been reserved for it.
        release_resources(turn, entry.job)
    if isinstance(run.cause, Fired):
        turn.state.ended_at[run.job, run.trigger] = turn.now.mono
    job_entry = turn.state.jobs.get(run.job)
    if job_entry is not None and run.attempt:
        before, job_entry.state = job_entry.state, _state_after(job_entry.state, run)
        if before.expectation is not None or run.overran_at is not None:
            expectations.meet_expectations(turn, job_entry, entry.job, run)
        report_end(turn, job_entry, entry.job, before, run)
        if job_entry.plan.run_points:
            run_points.note_end(turn, job_entry, run)
        turn.step.save(job_entry.state)
    if turn.state.blocked:
        release(turn, run.job)


def must_wait_for(turn: Turn, entry: RunEntry) -> bool:
    """Tell whether a shutdown has to wait for the run: it is active, and the next daemon couldn't adopt it."""
    return entry.is_active and not (turn.state.leaves_running and entry.run.handle)


def interrupt_runs(turn: Turn, *, but_starting: bool = False) -> None:
    """End what is still active, because a grace is over; `but_starting` spares what is being started."""
    for entry in list(turn.state.runs.values()):
        if must_wait_for(turn, entry) and not (but_starting and entry.run.state is RunState.STARTING):
            stop_run(turn, entry, RunState.INTERRUPTED, None)
    turn.state.timers.set(turn.now.mono + SAVE_INTERRUPTIONS_SECONDS, Alarm.SAVE_INTERRUPTIONS)


def save_interruptions(turn: Turn) -> None:
    """Remember which runs a shutdown interrupts: those that outlive it are interrupted in the next daemon too."""
    for entry in turn.state.runs.values():
        if entry.run.stopping is None and entry.stopping is not None:
            entry.run = evolve_slots(entry.run, stopping=entry.stopping)
            turn.step.save(entry.run)


def _state_after(state: JobState, run: Run) -> JobState:
    failures = 0 if run.state is RunState.SUCCEEDED else state.failures + 1
    name = _NAMES[run.state]
    totals = {**state.totals, name: state.totals.get(name, _NO_RUNS).add(run)}
    return evolve_job_state(
        state,
        last_state=run.state,
        last_run=run.id,
        last_finished_at=run.finished_at,
        failures=failures,
        totals=totals,
    )
