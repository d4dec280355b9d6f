"""The check of a long history that has to end before something is removed from it, said while it takes its time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REMOVAL_WAITS = "the store was not closed cleanly, so its history is checked first; that takes minutes where it is long"

SAY_SECONDS = 1.0
"""Time after which a check is reported."""


@contextmanager
def reporting_long_check(report: Callable[[str], None]) -> Iterator[None]:
    """Report that a removal waits, from a thread, if the check in a `with` block takes long."""
    timer = threading.Timer(SAY_SECONDS, report, (REMOVAL_WAITS,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
