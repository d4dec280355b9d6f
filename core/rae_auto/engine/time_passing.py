"""Time has passed: alarms go off, schedules come due, and what was missed is made up for."""

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from rae_auto.engine.effects import ClockJumped, Step
from rae_auto.engine.events import TimePassed
from rae_auto.engine.runs import admission, attempts, guards
from rae_auto.engine.runs.dependencies import in_order
from rae_auto.engine.runs.progress import interrupt, queue_up
from rae_auto.engine.state import EngineState, JobEntry
from rae_auto.engine.time import catch_up, cursors
from rae_auto.engine.time.catch_up import DueSpan
from rae_auto.engine.time.clock_jumps import Jump, jumps
from rae_auto.engine.time.timers import Alarm
from rae_auto.model.decision import Occurrence, Outcome
from rae_auto.model.primitives.instants import Moment, format_instant
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Reason


def notice_jumps(world: EngineState, now: Moment, step: Step) -> None:
    """See whether the machine slept or its clock was set since the last event, and put right what hangs on it."""
    before, world.clocks = world.clocks, now
    for jump, by in jumps(before, now) if before else ():
        step.request(ClockJumped(jump, by))
        world.jumped = world.jumped or jump
        guards.look_again(world, list(world.runs.values()), now)
        if jump is Jump.SET_BACK:
            _set_back(world, now, step)
        else:
            _end_delays(world, now)


def jumped_since(world: EngineState, now: Moment) -> bool:
    """Whether the machine slept or its clock was set after the last event: sources wait for instants too."""
    return world.clocks is not None and any(True for _ in jumps(world.clocks, now))


def _set_back(world: EngineState, now: Moment, step: Step) -> None:
    world.timetable.rewind(now.wall)
    for entry in world.jobs.values():
        moved = {trigger: cursors.set_back(cursor, now.wall) for trigger, cursor in entry.state.cursors.items()}
        if moved != entry.state.cursors:
            entry.state = evolve(entry.state, cursors=moved)
            step.save(entry.state)


def _end_delays(world: EngineState, now: Moment) -> None:
    """A delay that would have ended while the machine slept has ended."""
    for opened in world.runs.values():
        if opened.delayed and opened.run.not_before is not None and opened.run.not_before <= now.wall:
            queue_up(world, opened)


def ticked(world: EngineState, _: TimePassed, now: Moment, step: Step) -> None:
    """Deal with every alarm and every instant up to now."""
    for alarm, run, attempt in world.timers.due(now.mono):
        match alarm:
            case Alarm.READY:
                opened = world.runs.get(run)
                if opened is not None and opened.run.attempt == attempt and opened.delayed:
                    # The delay has passed, whatever the clock on the wall says by now.
                    queue_up(world, opened)
            case Alarm.GUARD:
                guards.wake(world, run, now)
            case Alarm.TIMEOUT:
                attempts.time_out(world, run, attempt, now, step)
            case Alarm.GRACE_OVER:
                interrupt(world, now, step)
    if not world.stopping:
        _come_due(world, now, step)


_LATE = {
    Jump.SLEPT: "the machine slept",
    Jump.SET_FORWARD: "the clock was set forward",
    Jump.SET_BACK: "the clock was set back",
}


def _why_late(world: EngineState) -> str:
    jumped, world.jumped = world.jumped, None
    if world.restarted:
        return "the daemon was down"
    return _LATE[jumped] if jumped else "the daemon was busy"


def _come_due(world: EngineState, now: Moment, step: Step) -> None:
    """Decide instants of schedules, the needed jobs before those that need them."""
    because, world.restarted = _why_late(world), False
    by_job: dict[JobId, list[tuple[str, DueSpan]]] = {}
    for span, group in world.timetable.due(now.wall):
        for job, trigger in group.members:
            new = cursors.fresh(span, world.jobs[job].state.cursors[trigger])
            if new is not None:
                by_job.setdefault(job, []).append((trigger, new))
    spread = catch_up.Spread(len(by_job))
    for job in in_order(by_job, lambda job: world.jobs[job].job.needs if job in world.jobs else ()):
        entry = world.jobs[job]
        for trigger, span in by_job[job]:
            _decide(world, entry, trigger, span, spread, now, step, because)
        step.save(entry.state)


def _decide(
    world: EngineState,
    entry: JobEntry,
    trigger: str,
    span: DueSpan,
    spread: catch_up.Spread,
    now: Moment,
    step: Step,
    because: str,
) -> None:
    chosen = catch_up.chosen(entry.job, span, now.wall)
    skipped = [instant for instant in span.instants if instant not in chosen]
    given_up = skipped[-1] if skipped else span.older
    if given_up is not None:
        _skip(entry, trigger, skipped, span.older, now, step, because)
    last = span.instants[-1]
    batch: set[RunId] = set()
    for instant in sorted(chosen):
        occurrence = Occurrence(entry.job.id, trigger, format_instant(instant), instant)
        if instant == last and now.wall - instant <= catch_up.TOLERANCE:
            cause, not_before = Reason.DUE, now.wall
        else:
            cause, not_before = Reason.CAUGHT_UP, now.wall + spread.next_delay()
        decision = admission.admit(
            world,
            entry,
            occurrence,
            cause,
            now,
            step,
            not_before=not_before,
            batch=batch,
            because=because if cause is Reason.CAUGHT_UP else None,
        )
        if decision.run is not None:
            batch.add(decision.run)
    cursors.move(entry, trigger, last, given_up)


def _skip(
    entry: JobEntry,
    trigger: str,
    skipped: Sequence[datetime],
    older: datetime | None,
    now: Moment,
    step: Step,
    because: str,
) -> None:
    """One decision for all that is given up, so that a year of downtime doesn't fill the log.

    `older`, where there is one, is given up too, with all before it that has no decision yet.
    """
    first = skipped[0] if older is None else entry.state.cursors[trigger].at
    last = skipped[-1] if skipped else older
    assert last is not None, "something is skipped"
    facts = {
        "from": format_instant(first),
        "until": format_instant(last),
        "counted": len(skipped),
        "more": older is not None,
        "because": because,
        "catch_up": str(entry.job.catch_up),
    }
    occurrence = Occurrence(entry.job.id, trigger, format_instant(last), last)
    admission.decide(occurrence, admission.AdmissionResult(Outcome.SKIP, Reason.MISSED, facts), now, step)
