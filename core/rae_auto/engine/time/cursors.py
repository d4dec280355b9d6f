"""Cursors: how far each schedule has been handled, so that no instant is decided twice, whatever the clock does.

A cursor covers a span: each instant after `since`, up to and with `at`, has its decision. While the clock only goes
forward the span grows at its end, and that is all. A clock that is set back may land

- inside the span: what was decided stays decided, and the next new instant lies after `at`;
- before the span: the clock was ahead of its time. What comes now is new, so the cursor starts again at the present;
  the old span is remembered among `others`, because the clock will reach it a second time.

A schedule that has changed is another one, and its cursor starts at the present. Its instants are its own, also where
a clock that was set back reaches one that the former schedule had in common with it.

A schedule may count from the start or the end of its job's last run. Its cursor begins again with each of these
points (`recount`): no instant of it lies before. Because the cursor is saved with the start or the end, a restart
counts from the same instant; what was missed meanwhile is caught up as with any schedule.

`others` is bounded in number and in age: a clock that goes to and fro for more than a day may repeat an instant of the
day before, which is the price of a state that doesn't grow.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from attrs import evolve

from rae_auto.engine.plan import Plan
from rae_auto.engine.time.catch_up import DueSpan
from rae_auto.model.job_state import Cursor, Span
from rae_auto.model.primitives.evolving.slots import maker_of
from rae_auto.model.primitives.names import digest
from rae_auto.model.schedule import Schedule, count_from

_make_cursor = maker_of(Cursor)

MAX_OTHER_SPANS = 16
OTHER_SPAN_MAX_AGE = timedelta(days=1)


def cursors_for(plan: Plan, known: Mapping[str, Cursor], now: datetime) -> Mapping[str, Cursor]:
    """Return a cursor for each schedule of a job; one that is new, or has changed, starts at `now`."""
    if not (known or plan.run_points) and plan.schedules:
        return _begin(now, *((trigger, digest_of(schedule)) for trigger, schedule in plan.schedules.items()))
    cursors: dict[str, Cursor] = {}
    is_known = len(plan.schedules) == len(known)
    for trigger, schedule in plan.schedules.items():
        old, digest = known.get(trigger), digest_of(schedule)
        if old is None or old.schedule != digest:
            cursor = Cursor(now, digest, now, counts_from=now if trigger in plan.run_points else None)
        else:
            cursor = set_back(old, now)
        cursors[trigger] = cursor
        is_known = is_known and cursor is old
    return known if is_known else _share(tuple(cursors.items()))


@lru_cache(maxsize=1024)
def _share(cursors: tuple[tuple[str, Cursor], ...]) -> Mapping[str, Cursor]:
    """Return cursors by trigger id, as one object for jobs that are alike, of which there may be ten thousand."""
    return dict(cursors)


@lru_cache(maxsize=1024)
def _begin(now: datetime, *schedules: tuple[str, str]) -> Mapping[str, Cursor]:
    """Return the cursors of a new job, whose schedules come by trigger id as their digests; shared as by `_share`."""
    return {trigger: Cursor(now, digest, now) for trigger, digest in schedules}


def set_back(cursor: Cursor, now: datetime) -> Cursor:
    """Return the cursor for a clock that may show a time before its span."""
    if now >= cursor.since:
        return cursor
    counts_from = None if cursor.counts_from is None else min(cursor.counts_from, now)
    return evolve(cursor, at=now, since=now, others=_other_spans(cursor, now), counts_from=counts_from)


def recount(cursor: Cursor, at: datetime | None) -> Cursor:
    """Return the cursor of a schedule that counts from `at` on, or, for None, from the end of a run that goes on."""
    return evolve(cursor, counts_from=None) if at is None else Cursor(at, cursor.schedule, at, counts_from=at)


def current_schedules(plan: Plan, known: Mapping[str, Cursor], now: datetime | None = None) -> Mapping[str, Schedule]:
    """Return the schedules of a job as they are at present, by trigger id.

    One that counts from the last run does so from the instant that its cursor has, or from `now` if it has none yet; it
    is left out while the end from which it counts has not come.
    """
    if not plan.run_points:
        return plan.schedules
    current = {}
    for trigger, schedule in plan.schedules.items():
        if trigger in plan.run_points:
            cursor = known.get(trigger)
            is_new = cursor is None or cursor.schedule != digest_of(schedule)
            at = now if cursor is None or is_new else cursor.counts_from
            if at is None:
                continue
            schedule = count_from(schedule, at)
        current[trigger] = schedule
    return current


def undecided(due: DueSpan, cursor: Cursor) -> DueSpan | None:
    """Return those of the due instants that have no decision yet, or None."""
    if cursor.at < due.instants[0] and not cursor.others:
        return due
    instants = tuple(i for i in due.instants if i > cursor.at and not any(i in span for span in cursor.others))
    if not instants:
        return None
    older = due.older if due.older and due.older > cursor.at else None
    return DueSpan(instants, older)


def advance(cursor: Cursor, to: datetime, given_up: datetime | None) -> Cursor:
    """Return the cursor after all up to `to` was decided, of which all up to `given_up` was given up as missed."""
    if given_up is not None:
        return Cursor(to, cursor.schedule, given_up, _other_spans(cursor, to), cursor.counts_from)
    others = cursor.others and _recent(cursor.others, to)
    return _make_cursor(to, cursor.schedule, cursor.since, others, cursor.counts_from)


def _other_spans(cursor: Cursor, now: datetime) -> tuple[Span, ...]:
    covered = (Span(cursor.since, cursor.at),) if cursor.since < cursor.at else ()
    return _recent((*covered, *cursor.others), now)[:MAX_OTHER_SPANS]


def _recent(spans: tuple[Span, ...], now: datetime) -> tuple[Span, ...]:
    return tuple(span for span in spans if span.until > now - OTHER_SPAN_MAX_AGE)


@lru_cache(maxsize=1024)
def digest_of(schedule: Schedule) -> str:
    """Return a short text that changes when the schedule does."""
    return digest(repr(schedule), 6).hex()


def counting_points(plan: Plan, known: Mapping[str, Cursor]) -> Mapping[str, datetime | None]:
    """Return from when the schedules count that count from the last run, by trigger id; without those that are new."""
    found = {trigger: known[trigger] for trigger in plan.run_points if trigger in known}
    return {
        trigger: cursor.counts_from
        for trigger, cursor in found.items()
        if cursor.schedule == digest_of(plan.schedules[trigger])
    }
