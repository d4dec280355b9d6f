"""Time has passed: alarms go off, schedules come due, and what was missed is made up for."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from attrs import evolve

from rae_auto.engine import admission, attempts, catch_up
from rae_auto.engine.catch_up import Missed
from rae_auto.engine.events import Ticked
from rae_auto.engine.needs import in_order
from rae_auto.engine.runs import interrupt, queue_up
from rae_auto.engine.step import Step
from rae_auto.engine.timers import Alarm
from rae_auto.engine.timetable import Member
from rae_auto.engine.world import Entry, World
from rae_auto.model.decision import Occurrence, Outcome
from rae_auto.model.instants import Moment, format_instant
from rae_auto.model.names import JobId
from rae_auto.model.reasons import Reason


def ticked(world: World, _: Ticked, now: Moment, step: Step) -> None:
    """Deal with every alarm and every instant up to now."""
    for alarm, run, attempt in world.timers.due(now.mono):
        match alarm:
            case Alarm.READY:
                opened = world.runs.get(run)
                if opened is not None and opened.run.attempt == attempt and not opened.run.state.active:
                    # The delay has passed, whatever the clock on the wall says by now.
                    queue_up(world, opened)
            case Alarm.TIMEOUT:
                attempts.time_out(world, run, attempt, now, step)
            case Alarm.GRACE_OVER:
                interrupt(world, now, step)
    if not world.stopping:
        come_due(world, _due(world, now.wall), now, step)


def come_due(world: World, due: Iterable[tuple[Member, Missed]], now: Moment, step: Step) -> None:
    """Decide instants of schedules, the needed jobs before those that need them."""
    by_job: dict[JobId, list[tuple[str, Missed]]] = {}
    for (job, trigger), instants in due:
        by_job.setdefault(job, []).append((trigger, instants))
    for job in in_order(by_job, lambda job: world.jobs[job].job.needs if job in world.jobs else ()):
        entry = world.jobs[job]
        for trigger, instants in by_job[job]:
            _decide(world, entry, trigger, instants, now, step)
        step.save(entry.state)


def _due(world: World, now: datetime) -> Iterator[tuple[Member, Missed]]:
    for first, group in world.timetable.due(now):
        span = catch_up.occurrences(group.schedule, first, now)
        for member, joined in group.members.items():
            # Who joined at or after an instant was not yet there for it.
            if joined < span.instants[0]:
                yield member, span
            elif joined < span.instants[-1]:
                yield member, Missed(tuple(i for i in span.instants if i > joined), older=False)


def _decide(world: World, entry: Entry, trigger: str, span: Missed, now: Moment, step: Step) -> None:
    chosen = catch_up.chosen(entry.job, span, now.wall)
    skipped = [instant for instant in span.instants if instant not in chosen]
    if skipped or span.older:
        _skip(entry, trigger, skipped, span.older, now, step)
    last = span.instants[-1]
    for instant in sorted(chosen):
        is_due = instant == last and now.wall - instant <= catch_up.TOLERANCE
        occurrence = Occurrence(entry.job.id, trigger, format_instant(instant), instant)
        admission.admit(world, entry, occurrence, Reason.DUE if is_due else Reason.CAUGHT_UP, now, step)
    move_cursor(entry, trigger, last)


def _skip(entry: Entry, trigger: str, skipped: Sequence[datetime], older: bool, now: Moment, step: Step) -> None:
    """One decision for all that is given up, so that a year of downtime doesn't fill the log."""
    last = skipped[-1] if skipped else entry.state.cursors[trigger].at
    first = entry.state.cursors[trigger].at if older or not skipped else skipped[0]
    facts = {"from": format_instant(first), "until": format_instant(last), "counted": len(skipped), "more": older}
    occurrence = Occurrence(entry.job.id, trigger, format_instant(last), last)
    admission.decide(occurrence, admission.Verdict(Outcome.SKIP, Reason.MISSED, facts), now, step)


def move_cursor(entry: Entry, trigger: str, instant: datetime) -> None:
    """The schedule has been dealt with up to `instant`. The caller saves the state."""
    cursor = evolve(entry.state.cursors[trigger], at=instant)
    entry.state = evolve(entry.state, cursors={**entry.state.cursors, trigger: cursor})
