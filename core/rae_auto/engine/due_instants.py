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
from typing import Any

from attrs import define, evolve, frozen

from rae_auto.engine import by_hand
from rae_auto.engine.notices.downtimes import report_back
from rae_auto.engine.notices.reports import report_downtime
from rae_auto.engine.runs import admission, guards
from rae_auto.engine.runs.copies import evolve_job_state
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
from rae_auto.model.primitives.evolving.slots import maker_of, quick_init
from rae_auto.model.primitives.graphs import sort_by_successors
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import CaughtUp, Due, Missed, MissedCause, Skip
from rae_auto.model.schedule import Schedule, event_of

MAX_INSTANTS_A_TURN = 100
"""Number of instants after which a turn leaves the rest to the next one; a job that it has started is finished."""


_Spans = dict[tuple[int, datetime], tuple[Schedule, DueSpan | None]]
"""Due spans by schedule and the instant after which they count. It is the object of the schedule that counts, as equal
schedules are one in the timetable, and to hash it is to ask a plugin; it is kept beside the span, so that no other
object gets its id."""


@quick_init
@define(eq=False, weakref_slot=False)
class _Piece:
    """The part of the backlog that one turn decides: `left` instants at most, and each span is computed once."""

    spread: StartSpread
    left: float
    _spans: _Spans

    def find_span(self, schedule: Schedule, after: datetime, now: datetime) -> DueSpan | None:
        """Return what of a schedule is due after an instant, up to now; None if nothing is."""
        key = (id(schedule), after)
        known = self._spans.get(key)
        if known is None:
            first = schedule.next_after(after)
            is_due = first is not None and first <= now
            span = find_due_instants(schedule, first, now) if first is not None and is_due else None
            known = self._spans[key] = schedule, span
        return known[1]


@quick_init
@frozen(weakref_slot=False)
class _DueTrigger:
    """A trigger of a job with due instants, which are in `span`, and why these are late if they are."""

    entry: JobEntry
    id: str
    schedule: Schedule
    span: DueSpan
    lateness: Lateness

    def occurrence(self, instant: datetime, event: Mapping[str, Any] | None = None) -> Occurrence:
        """Return the occurrence of one of its instants."""
        return _make_occurrence(self.entry.plan.job.id, self.id, format_instant(instant), instant, event)


_DUE = Due()

_make_occurrence, _make_due_trigger = maker_of(Occurrence), maker_of(_DueTrigger)
_make_candidate = maker_of(admission.Candidate)

_CAUSES = {
    ClockJump.SLEPT: MissedCause.SLEPT,
    ClockJump.SET_FORWARD: MissedCause.SET_FORWARD,
    ClockJump.SET_BACK: MissedCause.SET_BACK,
}


def _take_missed_cause(state: EngineState) -> MissedCause:
    """Return why instants are late, if they are, and forget it: it holds for this turn only."""
    jump, is_restarted, is_reverted = state.last_jump, state.is_restarted, state.is_reverted
    if jump is None and not (is_restarted or is_reverted):
        return MissedCause.BUSY
    state.last_jump, state.is_restarted, state.is_reverted = None, False, False
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
    due: dict[JobId, Lateness] = {}
    spans: _Spans = {}
    for group, after, span in state.timetable.pop_due(turn.now.wall):
        for job, _ in group.members:
            if job not in state.undecidable:
                due[job] = lateness
        if span is not None:
            spans[id(group.schedule), after] = group.schedule, span
    _put_into_backlog(turn, due)
    if state.backlog is not None:
        _decide_piece(turn, state.backlog, _Piece(state.backlog.spread, limit, spans))
    report_back(turn)


def _decide_piece(turn: Turn, backlog: Backlog, piece: _Piece) -> None:
    state, jobs, done = turn.state, backlog.jobs, backlog.done
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
    jobs = due
    if backlog is not None:
        known = dict(backlog.jobs[backlog.done :])
        if due.keys() <= known.keys():
            return
        jobs = known | {job: due[job] for job in due if job not in known}

    for job in jobs:
        if job in state.jobs and state.jobs[job].plan.job.needs:
            jobs = _sort_by_needs(state, jobs)
            break
    spread = StartSpread(state.undo_log, len(jobs)) if backlog is None else backlog.spread
    state.backlog = Backlog(tuple(jobs.items()), spread)


def _sort_by_needs(state: EngineState, jobs: Mapping[JobId, Lateness]) -> Mapping[JobId, Lateness]:
    """Return jobs in an order in which each comes after those that it needs."""

    def needs_of(job: JobId) -> tuple[JobId, ...]:
        return state.jobs[job].job.needs if job in state.jobs else ()

    return {job: jobs[job] for job in sort_by_successors(jobs, needs_of)}


def _decide_job(turn: Turn, entry: JobEntry, lateness: Lateness, piece: _Piece) -> None:
    """Decide the due instants of a job."""
    found, job, cursor_of = [], entry.plan.job.id, entry.state.cursors
    for trigger, schedule in entry.schedules().items():
        cursor = cursor_of[trigger]
        # Of equal schedules the one that the timetable asks knows the answers already.
        schedule = turn.state.timetable.schedule_of((job, trigger)) or schedule
        due = piece.find_span(schedule, cursor.at, turn.now.wall)
        span = due and cursors.undecided(due, cursor)
        if span:
            found.append(_make_due_trigger(entry, trigger, schedule, span, lateness))
    if found and job in turn.state.runs_of:
        guards.end_expired_waits(turn, job)
    if len(found) > 1:
        found.sort(key=lambda one: one.span.instants[0])
    for trigger_due in found:
        if _is_in_time(trigger_due, turn.now.wall):
            _decide_instant(turn, trigger_due)
        else:
            _decide_trigger(turn, trigger_due, piece.spread)
        piece.left -= len(trigger_due.span.instants)
    if found:
        if entry.state.skips:
            by_hand.forget_past_skips(turn, entry)
        turn.step.save(entry.state)


def _is_in_time(due: _DueTrigger, now: datetime) -> bool:
    """Tell whether one instant of a trigger is due, in time, as mostly: no policy for late ones has a say."""
    span = due.span
    if len(span.instants) > 1 or span.older is not None or due.lateness.cause is MissedCause.STORE_REVERTED:
        return False
    return now - span.instants[0] <= MAX_LATENESS


def _decide_instant(turn: Turn, due: _DueTrigger) -> None:
    """Decide the one instant of a trigger that is due in time, and move its cursor. The caller saves the state."""
    instant = due.span.instants[0]
    occurrence = due.occurrence(instant, event_of(due.schedule, instant))
    jitter = due.schedule.jitter or None
    admission.admit(turn, due.entry, _make_candidate(occurrence=occurrence, cause=_DUE, jitter=jitter))
    _move_cursor(due, instant, None)


def _move_cursor(due: _DueTrigger, to: datetime, given_up: datetime | None) -> None:
    entry, state = due.entry, due.entry.state
    cursor = cursors.advance(state.cursors[due.id], to, given_up)
    entry.state = evolve_job_state(state, cursors={**state.cursors, due.id: cursor})


def _decide_trigger(turn: Turn, due: _DueTrigger, spread: StartSpread) -> None:
    """Decide the due instants of one trigger, and move its cursor. The caller saves the job's state."""
    now, entry, span, cause = turn.now.wall, due.entry, due.span, due.lateness.cause
    selected = _select(due, now)
    if cause is MissedCause.STORE_REVERTED:
        # What may have run, with nothing left to show it, must not run again.
        selected = frozenset(instant for instant in selected if instant > due.lateness.since)
    skipped = [instant for instant in span.instants if instant not in selected]
    given_up = skipped[-1] if skipped else span.older
    if given_up is not None:
        _give_up(turn, due, skipped, is_latest_selected=bool(selected))
    last = span.instants[-1]
    _report_missed(turn, due, selected)
    batch: set[RunId] = set()
    refused: list[tuple[datetime, Skip]] = []
    for instant in sorted(selected):
        is_due = instant == last and now - instant <= MAX_LATENESS
        candidate = admission.Candidate(
            occurrence=due.occurrence(instant, event_of(due.schedule, instant)),
            cause=_DUE if is_due else CaughtUp(cause),
            not_before=now if is_due else now + spread.next_delay(),
            jitter=due.schedule.jitter,
            batch=batch,
        )
        refusal = admission.find_refusal(turn, entry, candidate)
        if refused and type(refused[-1][1]) is not type(refusal):
            _record_refusals(turn, due, refused)
            refused = []
        if refusal is not None:
            refused.append((instant, refusal))
        elif (run := admission.open_run(turn, entry, candidate).run) is not None:
            batch.add(run)
    if refused:
        _record_refusals(turn, due, refused)
    if selected:
        # What is given up after an instant with a decision of its own, as one that is skipped by hand, is behind it.
        given_up = max((instant for instant in skipped if instant < min(selected)), default=span.older)
    _move_cursor(due, last, given_up)


def _report_missed(turn: Turn, due: _DueTrigger, selected: Collection[datetime]) -> None:
    """Report the instants that came too late to start anything in time."""
    span = due.span
    if due.lateness.cause is MissedCause.BUSY:
        return
    is_due = turn.now.wall - span.instants[-1] <= MAX_LATENESS
    missed = span.instants[:-1] if is_due else span.instants
    caught_up = sum(instant in selected for instant in missed)
    has_more = span.older is not None
    report_downtime(turn, due.entry, due.id, missed, due.lateness.cause, has_more=has_more, caught_up=caught_up)


def _give_up(turn: Turn, due: _DueTrigger, skipped: Sequence[datetime], *, is_latest_selected: bool) -> None:
    """Record one decision for all instants that are given up; its reason names the window where that decides.

    An `older` instant of the span is given up too, with all before it that has no decision yet.
    """
    job, older = due.entry.job, due.span.older
    last = skipped[-1] if skipped else older
    assert last is not None, "something is given up"
    window = window_of(job, is_recurring=False)
    is_too_old = job.catch_up is not CatchUp.NONE and turn.now.wall - last > window
    is_window_decisive = is_too_old and not (is_latest_selected and job.catch_up is CatchUp.LATEST)
    reason = Missed(
        due.lateness.cause,
        skipped[0] if older is None else due.entry.state.cursors[due.id].at,
        last,
        len(skipped),
        older is not None,
        job.catch_up,
        window if is_window_decisive else None,
    )
    admission.decide(turn, due.occurrence(last), reason, count=max(len(skipped), 1))


def _select(due: _DueTrigger, now: datetime) -> frozenset[datetime]:
    """Return the instants to decide one by one; those that are skipped by hand displace no others."""
    job, state, span = due.entry.job, due.entry.state, due.span
    is_recurring = due.schedule.next_after(span.instants[-1]) is not None
    if not state.skips:
        return select_instants(job, span, now, is_recurring=is_recurring)
    by_hand_skipped = frozenset(instant for instant in span.instants if state.find_skip(instant))
    rest = evolve(span, instants=tuple(instant for instant in span.instants if instant not in by_hand_skipped))
    return select_instants(job, rest, now, is_recurring=is_recurring) | by_hand_skipped


def _record_refusals(turn: Turn, due: _DueTrigger, refused: Sequence[tuple[datetime, Skip]]) -> None:
    """Record one decision for instants in a row that are refused for the same reason."""
    since, (last, reason) = refused[0][0], refused[-1]
    count = len(refused)
    admission.decide(turn, due.occurrence(last), reason, since=since if count > 1 else None, count=count)
