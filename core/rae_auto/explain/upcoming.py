"""The future starts of a job, as its guards, a pause and skips by hand change them."""

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from attrs import evolve

from rae_auto.engine.plan import Plan
from rae_auto.engine.time.cursors import counting_points
from rae_auto.explain.next_start import NextStart, find_start
from rae_auto.model.job_state import JobState
from rae_auto.model.schedule import Schedule, count_from
from rae_auto.registry.safe_schedule import SafeSchedule

DELAY_NOTE = "the end of the delay after an event"


def iterate_starts(
    plan: Plan,
    state: JobState | None,
    after: datetime,
    delayed_until: datetime | None = None,
    counts_from: Mapping[str, datetime | None] | None = None,
) -> Iterator[NextStart]:
    """Yield the instants after `after` at which the job is due, ascending, each once; those in a pause are left out.

    One of them is `delayed_until`, if a run waits until then for the delay after an event. `counts_from` has the
    instants from which schedules count that count from the last run, by default those of the state. Such a schedule
    has no instant that is known after the next start, because that start is the run from which it will count.
    """
    if state is not None and state.paused_until is not None:
        after = max(after, state.paused_until - timedelta(microseconds=1))
    if counts_from is None:
        counts_from = {} if state is None else counting_points(plan, state.cursors)
    delayed = [at for at in (delayed_until,) if at is not None and at > after]
    due = _DueInstants(heapq.merge(_by_clock(plan, after), delayed), _by_runs(plan, counts_from, after))
    last = None
    while (instant := due.pop()) is not None:
        if instant != last:
            is_delayed = instant == delayed_until
            start = NextStart(instant, instant, note=DELAY_NOTE) if is_delayed else _start_at(plan, state, instant)
            if start.starts_at is not None:
                due.drop_counted()
            yield start
        last = instant


def _start_at(plan: Plan, state: JobState | None, instant: datetime) -> NextStart:
    skip = None if state is None else state.find_skip(instant)
    if skip is not None:
        return NextStart(instant, None, skip)
    return evolve(find_start(plan.guards, plan.job.guard_timeout, instant), note=_note_on(plan, instant))


def _by_clock(plan: Plan, after: datetime) -> Iterator[datetime]:
    schedules = [one for trigger, one in plan.schedules.items() if trigger not in plan.run_points]
    return heapq.merge(*(iterate_instants(schedule, after) for schedule in schedules))


def _by_runs(plan: Plan, counts_from: Mapping[str, datetime | None], after: datetime) -> Iterator[datetime]:
    known = [(plan.schedules[trigger], at) for trigger, at in counts_from.items() if at is not None]
    return heapq.merge(*(iterate_instants(count_from(schedule, at), after) for schedule, at in known))


class _DueInstants:
    """Instants of two kinds of schedules in their order: by the clock, and counted from the last run."""

    def __init__(self, by_clock: Iterator[datetime], counted: Iterator[datetime]) -> None:
        self._by_clock, self._counted = by_clock, counted
        self._first = next(by_clock, None)
        self._first_counted = next(counted, None)

    def pop(self) -> datetime | None:
        """Return the next instant, or None."""
        first, counted = self._first, self._first_counted
        if counted is not None and (first is None or counted < first):
            self._first_counted = next(self._counted, None)
            return counted
        if first is not None:
            self._first = next(self._by_clock, None)
        return first

    def drop_counted(self) -> None:
        """Drop the instants that count from the last run."""
        self._first_counted, self._counted = None, iter(())


def iterate_instants(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the instants of a schedule after `after`, ascending."""
    instant = schedule.next_after(after)
    while instant is not None:
        yield instant
        instant = schedule.next_after(instant)


def _note_on(plan: Plan, instant: datetime) -> str | None:
    schedules = [schedule for schedule in plan.schedules.values() if isinstance(schedule, SafeSchedule)]
    notes = [schedule.note(instant) for schedule in schedules]
    return "; ".join(note for note in notes if note) or None
