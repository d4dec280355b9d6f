"""Times of deciding ahead: how long before an instant at which many jobs are due. `engine.time_passing` says why.

A few are not: the last of them is hardly late, and to wake twice costs more than it brings.
"""

from rae_auto.engine.engine import Engine
from rae_auto.model.primitives.instants import Moment

MIN_STARTS = 20
"""Number of triggers that are due together from which on their starts are decided ahead."""

MAX_AHEAD_SECONDS = 1.0
"""Longest time that starts are decided before their instant. Requests wait as long for an answer."""

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
    most = int(MAX_AHEAD_SECONDS / _SECONDS_A_START)
    lead = min(_FIXED_SECONDS + engine.count_due(instant, most) * _SECONDS_A_START, MAX_AHEAD_SECONDS)
    if wait > lead:
        return wait - lead
    return 0.0 if engine.can_decide_ahead(find_moment(engine, now)) else None


def find_moment(engine: Engine, now: Moment) -> Moment:
    """Return the moment of the next instant of any schedule, provided that no clock is set until then."""
    instant = engine.next_instant
    assert instant is not None, "something is due"
    return now.later(instant - now.wall)
