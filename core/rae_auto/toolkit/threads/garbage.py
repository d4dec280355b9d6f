"""Fewer searches for garbage while much is made that stays, such as ten thousand jobs or all runs of a simulation.

Python looks for garbage each time that 700 more objects have been made than freed, and now and then goes through all
of them. Of frozen values none is garbage, and the searches take up to a sixth of the time.

What was made meanwhile is still young for Python: the next search of the young would go through all of it at once, just
when the first jobs are due, and take 0.2 s with 20,000 jobs. So it is moved to the old at the end, where it is searched
when a quarter as much has been added. What a burst of runs makes mostly goes again: it is searched once at the end.
"""

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

_THRESHOLD = 50_000
"""Number of objects between two searches meanwhile."""

WHILE_LOADING = 1_000_000
"""The same while only what stays is made: 100,000 jobs have as many objects, and a search of 50,000 takes 20 ms."""

_MAX_FROZEN_BY_PYTHON = 1_000
"""Objects that the interpreter may have frozen itself; 3.12 has some hundreds."""

_lock = Lock()
_before: list[tuple[int, int, int]] = []
"""The thresholds at the beginning of each block that goes on; the first ones are those to go back to."""


@contextmanager
def fewer_collections(threshold: int = _THRESHOLD, *, stays: bool = True) -> Iterator[None]:
    """Have garbage looked for rarely in a `with` block; several may overlap, also of several threads.

    `threshold` is the number of objects between two searches. Most of what is made meanwhile `stays`, or goes again.
    """
    with _lock:
        _before.append(gc.get_threshold())
        # With 0 a program has no garbage looked for at all.
        if _before[0][0] > 0 and _before[-1][0] < threshold:
            gc.set_threshold(threshold, *_before[0][1:])
    try:
        yield
    finally:
        with _lock:
            first = _before[0]
            _before.pop()
            if not _before:
                gc.set_threshold(*first)
                if not _has_frozen():
                    _move_to_old() if stays else gc.collect(1)


def set_threshold(*thresholds: int) -> None:
    """Set the thresholds of `gc.set_threshold`; where searches are rare at present, those to go back to."""
    with _lock:
        if _before:
            _before[0] = (thresholds + _before[0][len(thresholds) :])[:3]  # type: ignore[assignment]
        else:
            gc.set_threshold(*thresholds)


class RareSearches:
    """Fewer searches for garbage from one call to another, while much is to be done that they would hold up."""

    def __init__(self) -> None:
        self._active: AbstractContextManager[None] | None = None

    @property
    def is_active(self) -> bool:
        """Return whether garbage is looked for rarely now."""
        return self._active is not None

    def start(self) -> None:
        """Have garbage looked for rarely from now on; a second call changes nothing."""
        if self._active is None:
            self._active = fewer_collections(stays=False)
            self._active.__enter__()

    def end(self) -> None:
        """Have garbage looked for as before, if there was a start."""
        if self._active is not None:
            self._active.__exit__(None, None, None)
            self._active = None


def _has_frozen() -> bool:
    """Return whether the program has exempted objects of its own from searches, as the daemon has."""
    return gc.get_freeze_count() > _MAX_FROZEN_BY_PYTHON


def _move_to_old() -> None:
    """Move all objects to those that are old, without a search."""
    gc.freeze()
    gc.unfreeze()
