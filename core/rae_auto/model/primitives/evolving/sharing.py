"""Equal values made once: of thousands of jobs most are alike, and their parts never change."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_SHARED_VALUES = 1000
"""Number of values that are remembered; with more, all are forgotten, and those in use stay as they are."""


class SharedValues(Generic[T]):
    """Frozen values by a text, or bytes, that equal ones have in common, such as their notation."""

    def __init__(self) -> None:
        self._known: dict[str | bytes, T] = {}

    def get(self, text: str | bytes, make: Callable[[], T]) -> T:
        """Return the value of a text, which `make` makes if it isn't known."""
        found = self._known.get(text)
        if found is None:
            found = make()
            if len(self._known) >= MAX_SHARED_VALUES:
                self._known.clear()
            self._known[text] = found
        return found
