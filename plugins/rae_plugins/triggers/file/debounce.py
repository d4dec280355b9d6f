"""When to look, and when a file is whole: the arithmetic of waiting."""

from datetime import timedelta

from attrs import define, field, frozen

from rae_plugins.triggers.file.changes import Version


@frozen
class Burst:
    """Changes that come one after the other. Times are monotonic, in seconds."""

    first: float
    last: float

    def looks_at(self, quiet: timedelta, max_wait: timedelta) -> float:
        """When to look: after a quiet time, or though it goes on after the longest wait."""
        return min(self.last + quiet.total_seconds(), self.first + max_wait.total_seconds())


@define(eq=False)
class Settling:
    """The files that may still grow, each with the version that was seen and since when it is that."""

    rest: float
    """Seconds without a change after which a file is whole; 0: at once."""

    _seen: dict[str, tuple[Version, float]] = field(init=False, factory=dict)

    def is_whole(self, path: str, version: Version, now: float, *, was_closed: bool) -> bool:
        """Whether a file of this version is whole: its writer has closed it, or it has rested."""
        if self.rest == 0 or was_closed:
            self._seen.pop(path, None)
            return True
        seen, since = self._seen.get(path, (None, now))
        if seen == version and now - since >= self.rest:
            del self._seen[path]
            return True
        self._seen[path] = (version, since if seen == version else now)
        return False

    def forget(self, path: str) -> None:
        """A file is gone."""
        self._seen.pop(path, None)

    def due(self) -> float | None:
        """When to look again; None where all are whole."""
        return min((since + self.rest for _, since in self._seen.values()), default=None)

    def waiting(self) -> list[str]:
        """The files that may still grow."""
        return list(self._seen)


@frozen
class Patience:
    """How long to wait before refused changes are offered again. Times are in seconds."""

    FIRST, LONGEST = 60.0, 3600.0

    pause: float = FIRST

    def longer(self) -> "Patience":
        """Twice as long, up to an hour."""
        return Patience(min(self.pause * 2, self.LONGEST))
