"""The passage of time: clocks jump, alarms ring, and schedules come due (`due_instants`), perhaps ahead.

Theory of deciding ahead
========================

Of a thousand jobs that are due in the same second, the last one starts late by the time that it takes to decide all
the others and to make that durable. None of it needs the instant to have come: what is due is known before. So the
caller may hand the engine `TimePassed` with the moment of the instant a little early, make the step durable, and hold
its effects back until the instant has come. For the engine it is that moment, so its decisions and records are those
that it would make then.

That is right as long as nothing can happen before the instant that its decisions depend on. Requests and reports that
come meanwhile wait and are decided after it, as they do while any other turn is under way. What remains is what has
happened already without being reported, or happens by itself:

1. An alarm rings, or a pause ends, before the instant: it would be handled late, or what it does early.
2. A due job has an open run, which may end before the instant: it would be skipped, or wait, for a run that was over.
3. A clock has jumped, or the engine has something to catch up on, or to explain why instants are late.

In these cases the instant is decided when it has come.

A daemon may die between decision and instant, and the next one may be there before the instant is. It would find starts
that never happened, and runs in the queue whose time has not come. So it waits for the instant (`time_until_decided`).
"""

from datetime import datetime, timedelta

from attrs import evolve

from rae_auto.engine import by_hand, due_instants
from rae_auto.engine.effects import ClockJumped
from rae_auto.engine.events import TimePassed
from rae_auto.engine.notices.deliveries import recheck_notices, ring_notice
from rae_auto.engine.runs import attempts, expectations, guards, run_points
from rae_auto.engine.runs.ending import interrupt_runs, save_interruptions
from rae_auto.engine.runs.waiting import FAULT_RETRY_SECONDS, enqueue, release, wait
from rae_auto.engine.state import Delayed, EngineState
from rae_auto.engine.time import cursors
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.primitives.clock_jumps import ClockJump, clock_jumps, is_steady
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId

MAX_AHEAD = timedelta(seconds=1)
"""Longest time that an instant is decided before it comes. Requests wait as long for an answer."""


def handle_clock_jumps(turn: Turn) -> None:
    """Compare the clocks with those of the last turn, and adjust what a jump concerns."""
    state, now = turn.state, turn.now
    for jump, by in clock_jumps(state.last_moment, now) if state.last_moment else ():
        turn.step.request(ClockJumped(jump, by))
        state.last_jump = state.last_jump or jump
        if jump is not ClockJump.SLEPT:
            set_by = -by if jump is ClockJump.SET_BACK else by
            _move_runs(turn, set_by)
            expectations.move_expectations(turn, set_by)
        else:
            _lengthen_delays(turn, by)
            expectations.recheck_expectations(turn)
        if jump is ClockJump.SET_BACK:
            _set_back(turn)
        guards.recheck_guards(turn, state.runs.values())
        recheck_notices(turn)
        _restart_delays(turn)


def may_have_jumped(state: EngineState, now: Moment) -> bool:
    """Tell, in little time, whether a clock may have jumped after the last turn; mostly it can't have."""
    last = state.last_moment
    return last is not None and last is not now and not is_steady(last, now)


def has_jumped(state: EngineState, now: Moment) -> bool:
    """Tell whether a clock has jumped after the last turn."""
    last = state.last_moment
    if last is None or is_steady(last, now):
        return False
    return any(True for _ in clock_jumps(last, now))


def can_decide_ahead(state: EngineState, due: Moment) -> bool:
    """Return whether the next instant of the schedules, which is at `due`, can be decided before it comes."""
    alarm_at, pause_end, instant = state.timers.next_at(), state.pause_ends.next_at(), state.timetable.next_at()
    has_to_explain = state.is_restarted or state.is_reverted or state.last_jump is not None
    if state.is_stopping or state.backlog is not None or has_to_explain or instant != due.wall:
        return False
    if has_jumped(state, due):
        return False
    if (alarm_at is not None and alarm_at <= due.mono) or (pause_end is not None and pause_end < instant):
        return False
    # Of ten thousand jobs that are due, few have open runs.
    return not any(_is_due(state, job, instant) for job in state.runs_of)


def _is_due(state: EngineState, job: JobId, instant: datetime) -> bool:
    triggers = state.jobs[job].plan.schedules if job in state.jobs else ()
    return any(state.timetable.next_of((job, trigger)) == instant for trigger in triggers)


def time_until_decided(newest_record: datetime | None, now: datetime) -> timedelta:
    """Return how long a restarted daemon waits for the instant that the one before it has decided ahead, if it has."""
    left = timedelta(0) if newest_record is None else newest_record - now
    return left if timedelta(0) < left <= MAX_AHEAD else timedelta(0)


def _set_back(turn: Turn) -> None:
    turn.state.timetable.rewind(turn.now.wall)
    for entry in turn.state.jobs.values():
        moved = {trigger: cursors.set_back(cursor, turn.now.wall) for trigger, cursor in entry.state.cursors.items()}
        if moved != entry.state.cursors:
            entry.state = evolve(entry.state, cursors=moved)
            turn.step.save(entry.state)
            run_points.rejoin_timetable(turn, entry, entry.plan.run_points)


def _move_runs(turn: Turn, by: timedelta) -> None:
    """Let what open runs wait for, and how long they take, not depend on how the wall clock was set."""
    for entry in turn.state.runs.values():
        moved = entry.run.after_clock_set(by)
        if moved is not entry.run:
            entry.run = moved
            turn.step.save(moved)


def _lengthen_delays(turn: Turn, by: timedelta) -> None:
    """Let delays after events not count the time for which the machine slept."""
    for entry in turn.state.runs.values():
        moved = entry.run.after_sleep(by)
        if moved is not entry.run:
            entry.run = moved
            turn.step.save(moved)


def _restart_delays(turn: Turn) -> None:
    """Let delayed runs wait for what is left of their delay: the time that the machine slept counts."""
    for entry in turn.state.runs.values():
        if isinstance(entry.activity, Delayed):
            wait(turn, entry)


def time_passed(turn: Turn, _: TimePassed) -> None:
    """Handle every alarm up to now, and the instants up to now as far as one turn comes."""
    _ring_alarms(turn)
    if not turn.state.is_stopping:
        due_instants.decide_some(turn)
        by_hand.end_pauses(turn)


def all_time_passed(turn: Turn) -> None:
    """Handle every alarm and every instant up to now, however many there are."""
    _ring_alarms(turn)
    if not turn.state.is_stopping:
        due_instants.decide_all(turn)
        by_hand.end_pauses(turn)


def _ring_alarms(turn: Turn) -> None:
    for alarm, subject, attempt in turn.state.timers.pop_due(turn.now.mono):
        if not turn.perform(_ring, alarm, subject, attempt):
            turn.state.timers.set(turn.now.mono + FAULT_RETRY_SECONDS, alarm, subject, attempt)


def _ring(turn: Turn, alarm: Alarm, subject: str, attempt: int) -> None:
    match alarm:
        case Alarm.READY:
            _end_delay(turn, RunId(subject), attempt)
        case Alarm.GUARD:
            guards.recheck_guard(turn, RunId(subject))
        case Alarm.TIMEOUT:
            attempts.time_out(turn, RunId(subject), attempt)
        case Alarm.OVERRUN:
            expectations.notice_overrun(turn, RunId(subject), attempt)
        case Alarm.OVERDUE:
            expectations.notice_overdue(turn, JobId(subject))
        case Alarm.NOTICE:
            ring_notice(turn, subject, attempt)
        case Alarm.FAULT_RETRY:
            release(turn, subject)
        case Alarm.DECIDE_AGAIN:
            due_instants.decide_again(turn, JobId(subject))
        case Alarm.GRACE_OVER:
            interrupt_runs(turn)
        case Alarm.SAVE_INTERRUPTIONS:
            save_interruptions(turn)


def _end_delay(turn: Turn, run: RunId, attempt: int) -> None:
    entry = turn.state.runs.get(run)
    if entry is not None and entry.run.attempt == attempt and isinstance(entry.activity, Delayed):
        # The delay has passed, whatever the wall clock shows by now.
        enqueue(turn, entry)
