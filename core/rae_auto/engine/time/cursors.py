"""How far each schedule has been dealt with, so that no instant is decided twice, whatever the clock does."""

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache

from attrs import evolve

from rae_auto.engine.effects import Step
from rae_auto.engine.state import JobEntry
from rae_auto.engine.time.catch_up import DueSpan
from rae_auto.model.job_state import Cursor, Span
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.schedule import Schedule

OTHERS = 16
KEPT = timedelta(days=1)
"""How many other spans are remembered, and for how long, for a clock that is set to and fro."""


def begin(entry: JobEntry, now: Moment, step: Step) -> None:
    """Have a cursor for each schedule; one that is new, or not what it was, has been dealt with up to now."""
    cursors = {}
    for trigger, schedule in entry.plan.schedules.items():
        known, digest = entry.state.cursors.get(trigger), digest_of(schedule)
        if known is None or known.schedule != digest:
            known = Cursor(now.wall, digest, now.wall)
        cursors[trigger] = set_back(known, now.wall)
    if cursors != entry.state.cursors:
        entry.state = evolve(entry.state, cursors=cursors)
        step.save(entry.state)


def set_back(cursor: Cursor, now: datetime) -> Cursor:
    """The cursor for a clock that may stand before it.

    Where it stands among what has been dealt with, that stays so. Where it stands before all of it, the clock was
    ahead of its time: what comes now is new, and what was done then is remembered.
    """
    if now >= cursor.since:
        return cursor
    return evolve(cursor, at=now, since=now, others=_others(cursor, now))


def fresh(due: DueSpan, cursor: Cursor) -> DueSpan | None:
    """Those of the instants that have no decision yet, if any."""
    if cursor.at < due.instants[0] and not cursor.others:
        return due
    instants = tuple(i for i in due.instants if i > cursor.at and not any(i in span for span in cursor.others))
    if not instants:
        return None
    older = due.older if due.older and due.older > cursor.at else None
    return DueSpan(instants, older)


def move(entry: JobEntry, trigger: str, to: datetime, given_up: datetime | None) -> None:
    """The schedule has been dealt with up to `to`, all up to `given_up` as missed. The caller saves the state."""
    cursor = entry.state.cursors[trigger]
    if given_up is not None:
        cursor = Cursor(to, cursor.schedule, given_up, _others(cursor, to))
    else:
        cursor = evolve(cursor, at=to, others=_near(cursor.others, to))
    entry.state = evolve(entry.state, cursors={**entry.state.cursors, trigger: cursor})


def _others(cursor: Cursor, now: datetime) -> tuple[Span, ...]:
    """The spans to remember when another one begins."""
    done = (Span(cursor.since, cursor.at),) if cursor.since < cursor.at else ()
    return _near((*done, *cursor.others), now)[:OTHERS]


def _near(spans: tuple[Span, ...], now: datetime) -> tuple[Span, ...]:
    return tuple(span for span in spans if span.until > now - KEPT)


@lru_cache(maxsize=1024)
def digest_of(schedule: Schedule) -> str:
    """A short text that changes when the schedule does."""
    return hashlib.blake2b(repr(schedule).encode(), digest_size=6).hexdigest()
