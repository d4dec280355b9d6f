"""What the clocks did between two moments, beside going on."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum

from rae_auto.model.primitives.instants import Moment

NOTICED = timedelta(seconds=1)
"""What is less is the slewing of a clock that is kept right, and the time between the readings of two clocks."""


class Jump(StrEnum):
    """A way in which time doesn't simply pass."""

    SLEPT = "slept"
    SET_FORWARD = "set_forward"
    SET_BACK = "set_back"


def jumps(before: Moment, now: Moment) -> Iterator[tuple[Jump, timedelta]]:
    """The machine slept, or somebody set its clock, or both; by how much."""
    slept = timedelta(seconds=now.slept - before.slept)
    set_by = (now.wall - before.wall) - timedelta(seconds=now.mono - before.mono) - slept
    if slept > NOTICED:
        yield Jump.SLEPT, slept
    if set_by > NOTICED:
        yield Jump.SET_FORWARD, set_by
    elif set_by < -NOTICED:
        yield Jump.SET_BACK, -set_by
