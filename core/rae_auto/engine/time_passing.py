"""The passage of time: alarms ring, schedules come due, and missed instants are caught up or given up.

The theory of catch-up is in `time.catch_up`, that of repeated instants in `time.cursors`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve

from rae_auto.engine.effects import ClockJumped
from rae_auto.engine.events import TimePassed
from rae_auto.engine.runs import admission, attempts, guards
from rae_auto.engine.runs.ending import interrupt_runs, save_interruptions
from rae_auto.engine.runs.waiting import FAULT_RETRY_SECONDS, enqueue, release, wait
from rae_auto.engine.state import Delayed, EngineState, JobEntry
from rae_auto.engine.time import catch_up, cursors
from rae_auto.engine.time.catch_up import DueSpan
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.decision import Occurrence
from rae_auto.model.primitives.clock_jumps import ClockJump, clock_jumps
from rae_auto.model.primitives.graphs import sort_by_successors
from rae_auto.model.primitives.instants import Moment, format_instant
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import CaughtUp, Due, Missed, MissedCause, Skip


def handle_clock_jumps(turn: Turn) -> None:
    """Compare the clocks with those of the last turn, and adjust what a jump concerns."""
    state, now = turn.state, turn.now
    for jump, by in clock_jumps(state.last_moment, now) if state.last_moment else ():
        turn.step.request(ClockJumped(jump, by))
        state.last_jump = state.last_jump or jump
        if jump is not ClockJump.SLEPT:
            _move_runs(turn, -by if jump is ClockJump.SET_BACK else by)
        if jump is ClockJump.SET_BACK:
            _set_back(turn)
        guards.recheck_guards(turn, state.runs.values())
        _restart_delays(turn)


def has_jumped(state: EngineState, now: Moment) -> bool:
    """Tell whether a clock has jumped after the last turn."""
    return state.last_moment is not None and any(True for _ in clock_jumps(state.last_moment, now))


def _set_back(turn: Turn) -> None:
    turn.state.timetable.rewind(turn.now.wall)
    for entry in turn.state.jobs.values():
        moved = {trigger: cursors.set_back(cursor, turn.now.wall) for trigger, cursor in entry.state.cursors.items()}
        if moved != entry.state.cursors:
            entry.state = evolve(entry.state, cursors=moved)
            turn.step.save(entry.state)


def _move_runs(turn: Turn, by: timedelta) -> None:
    """Let what open runs wait for, and how long they take, not depend on how the wall clock was set."""
    for entry in turn.state.runs.values():
        moved = entry.run.after_clock_set(by)
        if moved is not entry.run:
            entry.run = moved
            turn.step.save(moved)


def _restart_delays(turn: Turn) -> None:
    """Let delayed runs wait for what is left of their delay: the time that the machine slept counts."""
    for entry in turn.state.runs.values():
        if isinstance(entry.activity, Delayed):
            wait(turn, entry)


def time_passed(turn: Turn, _: TimePassed) -> None:
    """Handle every alarm and every instant up to now."""
    for alarm, subject, attempt in turn.state.timers.pop_due(turn.now.mono):
        if not turn.perform(_ring, alarm, subject, attempt):
            turn.state.timers.set(turn.now.mono + FAULT_RETRY_SECONDS, alarm, subject, attempt)
    if not turn.state.is_stopping:
        _decide_due_instants(turn)


def _ring(turn: Turn, alarm: Alarm, subject: str, attempt: int) -> None:
    match alarm:
        case Alarm.READY:
            _end_delay(turn, RunId(subject), attempt)
        case Alarm.GUARD:
            guards.recheck_guard(turn, RunId(subject))
        case Alarm.TIMEOUT:
            attempts.time_out(turn, RunId(subject), attempt)
        case Alarm.FAULT_RETRY:
            release(turn, subject)
        case Alarm.DECIDE_AGAIN:
            _rejoin(turn, JobId(subject))
        case Alarm.GRACE_OVER:
            interrupt_runs(turn)
        case Alarm.SAVE_INTERRUPTIONS:
            save_interruptions(turn)


def _rejoin(turn: Turn, job: JobId) -> None:
    """Let the instants of a job that have no decision be due again."""
    entry = turn.state.jobs.get(job)
    if entry is None:
        return
    for trigger, schedule in entry.plan.schedules.items():
        turn.state.timetable.leave((job, trigger))
        turn.state.timetable.join((job, trigger), schedule, entry.state.cursors[trigger].at)


def _end_delay(turn: Turn, run: RunId, attempt: int) -> None:
    entry = turn.state.runs.get(run)
    if entry is not None and entry.run.attempt == attempt and isinstance(entry.activity, Delayed):
        # The delay has passed, whatever the wall clock shows by now.
        enqueue(turn, entry)


_CAUSES = {
    ClockJump.SLEPT: MissedCause.SLEPT,
    ClockJump.SET_FORWARD: MissedCause.SET_FORWARD,
    ClockJump.SET_BACK: MissedCause.SET_BACK,
}


def _take_missed_cause(state: EngineState) -> MissedCause:
    """Return why instants are late, if they are, and forget it: it holds for this turn only."""
    jump, state.last_jump = state.last_jump, None
    is_restarted, state.is_restarted = state.is_restarted, False
    is_reverted, state.is_reverted = state.is_reverted, False
    if is_reverted:
        return MissedCause.STORE_REVERTED
    if is_restarted:
        return MissedCause.DOWN
    return _CAUSES[jump] if jump else MissedCause.BUSY


def _decide_due_instants(turn: Turn) -> None:
    """Decide the instants of schedules, the needed jobs before those that need them."""
    state = turn.state
    cause = _take_missed_cause(state)
    by_job: dict[JobId, list[tuple[str, DueSpan]]] = {}
    for span, group in state.timetable.pop_due(turn.now.wall):
        for job, trigger in group.members:
            undecided = cursors.undecided(span, state.jobs[job].state.cursors[trigger])
            if undecided is not None:
                by_job.setdefault(job, []).append((trigger, undecided))
    spread = catch_up.StartSpread(len(by_job))
    for job in sort_by_successors(by_job, lambda job: state.jobs[job].job.needs if job in state.jobs else ()):
        if not turn.perform(_decide_job, state.jobs[job], by_job[job], spread, cause):
            state.timers.set(turn.now.mono + FAULT_RETRY_SECONDS, Alarm.DECIDE_AGAIN, job)


def _decide_job(
    turn: Turn,
    entry: JobEntry,
    spans: Sequence[tuple[str, DueSpan]],
    spread: catch_up.StartSpread,
    cause: MissedCause,
) -> None:
    """Decide the due instants of a job."""
    for trigger, span in spans:
        _decide_span(turn, entry, trigger, span, spread, cause)
    turn.step.save(entry.state)


def _decide_span(
    turn: Turn, entry: JobEntry, trigger: str, span: DueSpan, spread: catch_up.StartSpread, cause: MissedCause
) -> None:
    """Decide the due instants of one trigger, and move its cursor. The caller saves the job's state."""
    now = turn.now.wall
    # What may have run, with nothing left to show it, must not run again.
    is_unknown = cause is MissedCause.STORE_REVERTED
    selected = frozenset() if is_unknown else catch_up.select_instants(entry.job, span, now)
    skipped = [instant for instant in span.instants if instant not in selected]
    given_up = skipped[-1] if skipped else span.older
    if given_up is not None:
        _give_up(turn, entry, trigger, skipped, span.older, cause)
    last = span.instants[-1]
    batch: set[RunId] = set()
    refused: list[tuple[datetime, Skip]] = []
    for instant in sorted(selected):
        is_due = instant == last and now - instant <= catch_up.MAX_LATENESS
        candidate = admission.Candidate(
            occurrence=Occurrence(entry.job.id, trigger, format_instant(instant), instant),
            cause=Due() if is_due else CaughtUp(cause),
            not_before=now if is_due else now + spread.next_delay(),
            batch=batch,
        )
        refusal = admission.find_refusal(turn, entry, candidate)
        if refused and type(refused[-1][1]) is not type(refusal):
            _record_refusals(turn, entry, trigger, refused)
            refused = []
        if refusal is not None:
            refused.append((instant, refusal))
        elif (run := admission.open_run(turn, entry, candidate).run) is not None:
            batch.add(run)
    if refused:
        _record_refusals(turn, entry, trigger, refused)
    cursor = cursors.advance(entry.state.cursors[trigger], last, given_up)
    entry.state = evolve(entry.state, cursors={**entry.state.cursors, trigger: cursor})


def _record_refusals(turn: Turn, entry: JobEntry, trigger: str, refused: Sequence[tuple[datetime, Skip]]) -> None:
    """Record one decision for instants in a row that are refused for the same reason."""
    since, (last, reason) = refused[0][0], refused[-1]
    occurrence = Occurrence(entry.job.id, trigger, format_instant(last), last)
    count = len(refused)
    admission.decide(turn, occurrence, reason, since=since if count > 1 else None, count=count)


def _give_up(
    turn: Turn,
    entry: JobEntry,
    trigger: str,
    skipped: Sequence[datetime],
    older: datetime | None,
    cause: MissedCause,
) -> None:
    """Record one decision for all instants that are given up.

    `older`, where there is one, is given up too, with all before it that has no decision yet.
    """
    first = skipped[0] if older is None else entry.state.cursors[trigger].at
    last = skipped[-1] if skipped else older
    assert last is not None, "something is given up"
    reason = Missed(cause, first, last, len(skipped), older is not None, entry.job.catch_up)
    admission.decide(turn, Occurrence(entry.job.id, trigger, format_instant(last), last), reason)
