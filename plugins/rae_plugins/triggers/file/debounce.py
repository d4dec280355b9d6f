"""The arithmetic of waiting: when a burst of changes is over, and when a file has stopped growing."""

from datetime import timedelta

from attrs import define, field, frozen

from rae_plugins.triggers.file.changes import FileVersion


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
    """Time without a change after which a file is stable; 0: files are delivered at once."""

    _first_seen: dict[str, tuple[FileVersion, float]] = field(init=False, factory=dict)

    def is_stable(self, path: str, version: FileVersion, now: float, *, was_closed: bool) -> bool:
        """Return whether a file of this version is complete: closed by its writer, or unchanged for long enough.

        Remember the version if it is not.
        """
        if self.rest_seconds == 0 or was_closed:
            self._first_seen.pop(path, None)
            return True
        known, since = self._first_seen.get(path, (None, now))
        if known == version and now - since >= self.rest_seconds:
            del self._first_seen[path]
            return True
        self._first_seen[path] = (version, since if known == version else now)
        return False

    def discard(self, path: str) -> None:
        """Stop tracking a file."""
        self._first_seen.pop(path, None)

    def next_due(self) -> float | None:
        """Return when to scan the tracked files again, or None if there are none."""
        return min((since + self.rest_seconds for _, since in self._first_seen.values()), default=None)

    def paths(self) -> list[str]:
        """Return the files that may still grow."""
        return list(self._first_seen)
