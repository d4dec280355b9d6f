"""The passage of time: clocks jump, alarms ring, and schedules come due (`due_instants`)."""

from datetime import timedelta

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
    return last is not None and may_have_jumped(state, now) and any(True for _ in clock_jumps(last, now))


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
