"""Clock jumps: how much the machine slept, and by how much its clock was set, between two moments.

This is the only place with that arithmetic, and `CLOCK_JUMP_THRESHOLD` the only threshold. Three clocks take part:

    wall    what schedules go by; can be set, and goes on during sleep
    mono    never set; does not advance during sleep
    slept   how long the machine has slept; does not advance otherwise

Between two moments `wall` should advance by the advance of `mono` plus that of `slept`. What `slept` advances is
sleep; what `wall` advances beside both is a clock step. The three clocks are read one after the other, and a clock
that is kept right is slewed (by 0.05 % at most, or 8 % by chrony), so differences up to the threshold are none.
"""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum

from rae_auto.model.primitives.instants import Moment

CLOCK_JUMP_THRESHOLD = timedelta(seconds=1)
"""Differences up to this are the slewing of a clock and the time between reading two clocks."""

_STEADY_SECONDS = CLOCK_JUMP_THRESHOLD.total_seconds() / 2
"""Differences below this are none, however the numbers are rounded."""


class ClockJump(StrEnum):
    """A way in which time doesn't simply pass."""

    SLEPT = "slept"
    SET_FORWARD = "set_forward"
    SET_BACK = "set_back"


def has_slept(slept_before: float, slept_now: float) -> bool:
    """Return whether the machine slept between two moments, by the seconds of `Moment.slept` at each."""
    return timedelta(seconds=slept_now - slept_before) > CLOCK_JUMP_THRESHOLD


def time_slept(before: Moment, now: Moment) -> timedelta:
    """Return how long the machine slept between two moments."""
    return timedelta(seconds=now.slept - before.slept)


def clock_step(before: Moment, now: Moment) -> timedelta:
    """Return by how much the wall clock was set between two moments; negative if it was set back."""
    elapsed_seconds = (now.mono - before.mono) + (now.slept - before.slept)
    return (now.wall - before.wall) - timedelta(seconds=elapsed_seconds)


def is_steady(before: Moment, now: Moment) -> bool:
    """Return whether no clock has jumped between two moments for certain: False may be a difference up to a jump.

    It is asked twice for each turn of the engine, so it takes a third of the time of `clock_jumps`.
    """
    slept = now.slept - before.slept
    step = (now.wall - before.wall).total_seconds() - (now.mono - before.mono) - slept
    return slept < _STEADY_SECONDS and -_STEADY_SECONDS < step < _STEADY_SECONDS


def clock_jumps(before: Moment, now: Moment) -> Iterator[tuple[ClockJump, timedelta]]:
    """Yield each jump between two moments with its length (positive): sleep first, then a clock step."""
    slept, step = time_slept(before, now), clock_step(before, now)
    if has_slept(before.slept, now.slept):
        yield ClockJump.SLEPT, slept
    if step > CLOCK_JUMP_THRESHOLD:
        yield ClockJump.SET_FORWARD, step
    elif step < -CLOCK_JUMP_THRESHOLD:
        yield ClockJump.SET_BACK, -step
