"""Due instants: each gets its decision, in turns of a bounded length, the needed jobs before those that need them.

Theory
======

The decision on an instant is in `time.catch_up`, the detection of repeated ones in `time.cursors`.

*Pieces.* Ten thousand runs take seconds to open, and while a turn lasts nothing else happens. So a turn that handles
`TimePassed` puts all jobs that are due into the `Backlog`, and decides the first of them, up to about
`MAX_INSTANTS_A_TURN`. The engine then wants to be called again at once (`Engine.next_wake`), and other inputs come in
between.

*What is decided is a matter of the cursors alone.* The backlog holds jobs, not instants: when a job's turn comes, each
of its schedules is asked for what is due after the cursor. So what falls due meanwhile is not forgotten, nothing is
decided twice, and a crash between two pieces neither loses nor repeats an instant: what is left is due after the
restart.

*A job is never cut.* All instants of a job are decided in one part of a turn. So runs that are caught up together
find each other in their batch, and none of them replaces another.

*Why instants are late* belongs to the job in the backlog (`Lateness`), as it was when the job became due: a clock that
is set between two pieces does not explain what was missed before. After a store went back to an older state there are
no pieces, because a restart would not know of that any more.

*Faults.* A job whose instants could not be decided is set aside (`EngineState.undecidable`), with its lateness, until
an alarm rings. What falls due in that time is left to the alarm as well: a cursor that moved over it would cover the
older instants.

*What does not fit.* A reload decides the whole backlog first, in one turn, because what fell due before it is decided
by the configuration as it was.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from attrs import define, evolve, field

from rae_auto.engine import by_hand
from rae_auto.engine.notices.downtimes import report_back
from rae_auto.engine.notices.reports import report_downtime
from rae_auto.engine.runs import admission, guards
from rae_auto.engine.runs.waiting import FAULT_RETRY_SECONDS
from rae_auto.engine.state import Backlog, EngineState, JobEntry, Lateness
from rae_auto.engine.time import cursors
from rae_auto.engine.time.catch_up import (
    MAX_LATENESS,
    DueSpan,
    StartSpread,
    find_due_instants,
    select_instants,
    window_of,
)
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.decision import Occurrence
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.clock_jumps import ClockJump
from rae_auto.model.primitives.evolving.slots import evolve_slots
from rae_auto.model.primitives.graphs import sort_by_successors
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import CaughtUp, Due, Missed, MissedCause, Skip
from rae_auto.model.schedule import Schedule, event_of

MAX_INSTANTS_A_TURN = 100
"""Number of instants after which a turn leaves the rest to the next one; a job that it has started is finished."""


@define(eq=False)
class _Piece:
    """The part of the backlog that one turn decides: `left` instants at most, and each span is computed once."""

    spread: StartSpread
    left: float
    _spans: dict[tuple[Schedule, datetime], DueSpan | None] = field(factory=dict)

    def find_span(self, schedule: Schedule, after: datetime, now: datetime) -> DueSpan | None:
        """Return what of a schedule is due after an instant, up to now; None if nothing is."""
        key = (schedule, after)
        if key not in self._spans:
            first = schedule.next_after(after)
            is_due = first is not None and first <= now
            self._spans[key] = find_due_instants(schedule, first, now) if first is not None and is_due else None
        return self._spans[key]


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


def decide_some(turn: Turn) -> None:
    """Decide due instants, as many as a turn may."""
    # A restart between two pieces would not know that the store went back.
    _decide(turn, float("inf") if turn.state.is_reverted else MAX_INSTANTS_A_TURN)


def decide_all(turn: Turn) -> None:
    """Decide all due instants."""
    _decide(turn, float("inf"))


def decide_again(turn: Turn, job: JobId) -> None:
    """Let the instants of a job be due again that a fault kept undecided."""
    lateness = turn.state.undecidable.pop(job)
    if lateness is not None and job in turn.state.jobs:
        _put_into_backlog(turn, {job: lateness})


def _decide(turn: Turn, limit: float) -> None:
    state = turn.state
    lateness = Lateness(_take_missed_cause(state), turn.now.wall)
    due = [job for group in state.timetable.pop_due(turn.now.wall) for job, _ in group.members]
    _put_into_backlog(turn, {job: lateness for job in due if job not in state.undecidable})
    if state.backlog is not None:
        _decide_piece(turn, state.backlog, limit)
    report_back(turn)


def _decide_piece(turn: Turn, backlog: Backlog, limit: float) -> None:
    state, jobs, done = turn.state, backlog.jobs, backlog.done
    piece = _Piece(backlog.spread, limit)
    while done < len(jobs) and piece.left > 0:
        job, lateness = jobs[done]
        done += 1
        if job in state.jobs and not turn.perform(_decide_job, state.jobs[job], lateness, piece):
            state.undecidable[job] = lateness
            state.timers.set(turn.now.mono + FAULT_RETRY_SECONDS, Alarm.DECIDE_AGAIN, job)
    state.backlog = evolve(backlog, done=done) if done < len(jobs) else None


def _put_into_backlog(turn: Turn, due: Mapping[JobId, Lateness]) -> None:
    """Add jobs to the backlog; one that is in it stays late for the cause that it was."""
    state, backlog = turn.state, turn.state.backlog
    if not due:
        return
    known = dict(backlog.jobs[backlog.done :]) if backlog else {}
    if due.keys() <= known.keys():
        return
    jobs = known | {job: due[job] for job in due if job not in known}
    order = sort_by_successors(jobs, lambda job: state.jobs[job].job.needs if job in state.jobs else ())
    spread = backlog.spread if backlog else StartSpread.over(len(jobs), state.undo_log)
    state.backlog = Backlog(tuple((job, jobs[job]) for job in order), spread)


def _decide_job(turn: Turn, entry: JobEntry, lateness: Lateness, piece: _Piece) -> None:
    """Decide the due instants of a job."""
    spans, schedules = [], entry.schedules()
    for trigger, schedule in schedules.items():
        cursor = entry.state.cursors[trigger]
        due = piece.find_span(schedule, cursor.at, turn.now.wall)
        span = due and cursors.undecided(due, cursor)
        if span:
            spans.append((trigger, span))
    if spans:
        guards.end_expired_waits(turn, entry.job.id)
    for trigger, span in sorted(spans, key=lambda found: found[1].instants[0]):
        _decide_span(turn, entry, trigger, schedules[trigger], span, piece.spread, lateness)
        piece.left -= len(span.instants)
    if spans:
        by_hand.forget_past_skips(turn, entry)
        turn.step.save(entry.state)


def _decide_span(
    turn: Turn,
    entry: JobEntry,
    trigger: str,
    schedule: Schedule,
    span: DueSpan,
    spread: StartSpread,
    lateness: Lateness,
) -> None:
    """Decide the due instants of one trigger, and move its cursor. The caller saves the job's state."""
    now = turn.now.wall
    is_recurring = schedule.next_after(span.instants[-1]) is not None
    selected, cause = _select(entry, span, now, is_recurring=is_recurring), lateness.cause
    if cause is MissedCause.STORE_REVERTED:
        # What may have run, with nothing left to show it, must not run again.
        selected = frozenset(instant for instant in selected if instant > lateness.since)
    skipped = [instant for instant in span.instants if instant not in selected]
    given_up = skipped[-1] if skipped else span.older
    if given_up is not None:
        _give_up(turn, entry, trigger, skipped, span.older, cause, is_latest_selected=bool(selected))
    last = span.instants[-1]
    _report_missed(turn, entry, trigger, span, selected, cause)
    batch: set[RunId] = set()
    refused: list[tuple[datetime, Skip]] = []
    for instant in sorted(selected):
        is_due = instant == last and now - instant <= MAX_LATENESS
        candidate = admission.Candidate(
            occurrence=Occurrence(entry.job.id, trigger, format_instant(instant), instant, event_of(schedule, instant)),
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
    entry.state = evolve_slots(entry.state, cursors={**entry.state.cursors, trigger: cursor})


def _report_missed(
    turn: Turn, entry: JobEntry, trigger: str, span: DueSpan, selected: Collection[datetime], cause: MissedCause
) -> None:
    """Report the instants that came too late to start anything in time."""
    is_due = turn.now.wall - span.instants[-1] <= MAX_LATENESS
    missed = span.instants[:-1] if is_due else span.instants
    caught_up = sum(instant in selected for instant in missed)
    report_downtime(turn, entry, trigger, missed, cause, has_more=span.older is not None, caught_up=caught_up)


def _give_up(
    turn: Turn,
    entry: JobEntry,
    trigger: str,
    skipped: Sequence[datetime],
    older: datetime | None,
    cause: MissedCause,
    *,
    is_latest_selected: bool,
) -> None:
    """Record one decision for all instants that are given up; its reason names the window where that decides.

    `older`, where there is one, is given up too, with all before it that has no decision yet.
    """
    job, last = entry.job, skipped[-1] if skipped else older
    assert last is not None, "something is given up"
    window = window_of(job, is_recurring=False)
    is_too_old = job.catch_up is not CatchUp.NONE and turn.now.wall - last > window
    is_window_decisive = is_too_old and not (is_latest_selected and job.catch_up is CatchUp.LATEST)
    reason = Missed(
        cause,
        skipped[0] if older is None else entry.state.cursors[trigger].at,
        last,
        len(skipped),
        older is not None,
        job.catch_up,
        window if is_window_decisive else None,
    )
    occurrence = Occurrence(job.id, trigger, format_instant(last), last)
    admission.decide(turn, occurrence, reason, count=max(len(skipped), 1))


def _select(entry: JobEntry, span: DueSpan, now: datetime, *, is_recurring: bool) -> frozenset[datetime]:
    """Return the instants to decide one by one; those that are skipped by hand displace no others."""
    if not entry.state.skips:
        return select_instants(entry.job, span, now, is_recurring=is_recurring)
    by_hand_skipped = frozenset(instant for instant in span.instants if entry.state.find_skip(instant))
    rest = evolve(span, instants=tuple(instant for instant in span.instants if instant not in by_hand_skipped))
    return select_instants(entry.job, rest, now, is_recurring=is_recurring) | by_hand_skipped


def _record_refusals(turn: Turn, entry: JobEntry, trigger: str, refused: Sequence[tuple[datetime, Skip]]) -> None:
    """Record one decision for instants in a row that are refused for the same reason."""
    since, (last, reason) = refused[0][0], refused[-1]
    occurrence = Occurrence(entry.job.id, trigger, format_instant(last), last)
    count = len(refused)
    admission.decide(turn, occurrence, reason, since=since if count > 1 else None, count=count)
