"""The arithmetic of waiting: when a burst of changes is over, and when a file has stopped growing."""

from datetime import timedelta
from enum import StrEnum

from attrs import define, field, frozen

from rae_plugins.triggers.file.changes import FileVersion

EMPTY_REST_FACTOR, MIN_EMPTY_REST_SECONDS = 10, 60.0
"""An empty file has to rest longer than one with content, by this factor, and at least for this time."""


class Complete(StrEnum):
    """The sign by which a file counts as complete."""

    UNCHANGED = "unchanged"
    CLOSED = "closed"


@frozen
class Burst:
    """A burst of changes, by the monotonic times of its first and last one in seconds."""

    first: float
    last: float

    def scan_due(self, quiet: timedelta, max_wait: timedelta) -> float:
        """Return when to scan: after `quiet` without a change, but at the latest `max_wait` after the first one."""
        return min(self.last + quiet.total_seconds(), self.first + max_wait.total_seconds())


@define(eq=False)
class StabilityTracker:
    """The files that may still grow, each with its version and the time at which that version was first seen."""

    rest_seconds: float
    """Time without a change after which a file is stable; 0: files are delivered at once.

    An empty one may be the beginning of a copy, so it has to rest for longer.
    """

    _first_seen: dict[str, tuple[FileVersion, float]] = field(init=False, factory=dict)

    def is_stable(
        self, path: str, version: FileVersion, now: float, *, is_complete: bool = False, was_written: bool = False
    ) -> bool:
        """Return whether this version of a file is complete: known to be, or unchanged for long enough.

        Remember the version if it is not. `was_written`: a write was seen just now, in any version.
        """
        if self.rest_seconds == 0 or is_complete:
            self._first_seen.pop(path, None)
            return True
        known, since = self._first_seen.get(path, (None, now))
        is_unchanged = known == version and not was_written
        if is_unchanged and now - since >= self._rest_of(version):
            del self._first_seen[path]
            return True
        self._first_seen[path] = (version, since if is_unchanged else now)
        return False

    def _rest_of(self, version: FileVersion) -> float:
        return self.rest_seconds if version.size else max(EMPTY_REST_FACTOR * self.rest_seconds, MIN_EMPTY_REST_SECONDS)

    def discard(self, path: str) -> None:
        """Stop tracking a file."""
        self._first_seen.pop(path, None)

    def next_due(self) -> float | None:
        """Return when to scan the tracked files again, or None if there are none."""
        return min((since + self._rest_of(version) for version, since in self._first_seen.values()), default=None)

    def paths(self) -> list[str]:
        """Return the files that may still grow."""
        return list(self._first_seen)
