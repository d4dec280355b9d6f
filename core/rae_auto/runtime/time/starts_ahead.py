"""Times of deciding ahead: how long before an instant at which many jobs are due. `engine.time_passing` says why.

A few are not: the last of them is hardly late, and to wake twice costs more than it brings.
"""

from rae_auto.engine.engine import Engine
from rae_auto.engine.time_passing import MAX_AHEAD
from rae_auto.model.primitives.clock_jumps import CLOCK_JUMP_THRESHOLD, clock_step
from rae_auto.model.primitives.instants import Moment

MIN_STARTS = 20
"""Number of triggers that are due together from which on their starts are decided ahead."""

MAX_AHEAD_SECONDS = MAX_AHEAD.total_seconds()

_FIXED_SECONDS = 0.02
_SECONDS_A_START = 0.0002
"""Time that it takes to decide a start and to make it durable, with a margin: Python needs half of it."""


def find_wait(engine: Engine, now: Moment) -> float | None:
    """Return in how many seconds starts are to be decided ahead, or to be looked at again; None if they are not.

    It is 0 if that is due now: then the engine is to be handed `TimePassed` with `find_moment`.
    """
    instant = engine.next_instant
    if instant is None:
        return None
    wait = (instant - now.wall).total_seconds()
    if wait <= 0 or engine.count_due(instant, MIN_STARTS) < MIN_STARTS:
        return None
    if wait > MAX_AHEAD_SECONDS:
        return wait - MAX_AHEAD_SECONDS
    # Before all are counted, which takes some milliseconds: as long as the answer is no, each turn asks again.
    if not engine.can_decide_ahead(find_moment(engine, now)):
        return None
    most = int(MAX_AHEAD_SECONDS / _SECONDS_A_START)
    lead = min(_FIXED_SECONDS + engine.count_due(instant, most) * _SECONDS_A_START, MAX_AHEAD_SECONDS)
    return max(wait - lead, 0.0)


def find_moment(engine: Engine, now: Moment) -> Moment:
    """Return the moment of the next instant of any schedule, provided that no clock is set until then."""
    instant = engine.next_instant
    assert instant is not None, "something is due"
    return now.later(instant - now.wall)


def seconds_until(due: Moment, now: Moment) -> float:
    """Return in how many seconds a moment that was computed has come; 0 or less once it has.

    It has when the wall clock shows it, which may be slewed or adjusted meanwhile: a job that asks for the time must
    not see the minute before. A clock that has been set back is not waited for, because all is decided.
    """
    if clock_step(due, now) < -CLOCK_JUMP_THRESHOLD:
        # To the microsecond, as below: a sleep that is shorter may take no time.
        return round(due.mono - now.mono, 6)
    return (due.wall - now.wall).total_seconds()
