"""The usual duration of a job's runs."""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import TypeVar

from attrs import frozen

EXAMINED_RUNS = 60
"""Number of successful runs of a job, the newest, that say what is usual."""

Value = TypeVar("Value")


@frozen
class UsualDuration:
    """The usual duration of a job's runs: half of the examined ones take at most `p50`, all but a twentieth `p95`."""

    p50: timedelta
    p95: timedelta
    runs: int
    """The number of successful runs that were examined: the newest."""


def summarize_durations(found: Sequence[timedelta]) -> UsualDuration | None:
    """Return what is usual among these durations; None if there are none."""
    durations = sorted(found)
    if not durations:
        return None
    return UsualDuration(percentile(durations, 50), percentile(durations, 95), len(durations))


def percentile(ordered: Sequence[Value], percent: int) -> Value:
    """Return the value, by nearest rank, that this share (in percent) of the values doesn't exceed."""
    return ordered[max(ceil(len(ordered) * percent / 100) - 1, 0)]
