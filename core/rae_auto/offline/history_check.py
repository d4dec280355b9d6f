"""The check of a long history that has to end before something is removed from it, said while it takes its time."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from rae_auto.runtime.concurrency.limited_calls import reporting_if_slow

REMOVAL_WAITS = "the store was not closed cleanly, so its history is checked first; that takes minutes where it is long"

SAY_SECONDS = 1.0
"""Time after which a check is reported."""


def reporting_long_check(report: Callable[[str], None]) -> AbstractContextManager[None]:
    """Return what reports that a removal waits, if the check in its `with` block takes long."""
    return reporting_if_slow(SAY_SECONDS, report, REMOVAL_WAITS)
