"""The contract of guards, which decide whether a job may start now: computed from the time, or read."""

from abc import abstractmethod
from datetime import datetime

from rae_auto.api.plugin import Plugin
from rae_auto.model.guard import GuardResult, Verdict

__all__ = ["ComputedGuard", "GuardResult", "ReadGuard", "Verdict"]


class ComputedGuard(Plugin):
    """A guard that depends on the time alone. Make it `attrs.frozen`.

    Being pure it can be simulated. A field named `timezone` left at None is filled with the configuration's zone
    before the class is made.
    """

    @abstractmethod
    def evaluate(self, instant: datetime) -> GuardResult:
        """Return whether a job may start at the instant (aware). Pure."""

    @abstractmethod
    def changes_after(self, instant: datetime) -> datetime | None:
        """Return an instant (aware) strictly after, until which the result stays the same; None if it never changes."""


class ReadGuard(Plugin):
    """A guard that looks at the machine. It is asked when a run could start, and while one waits for it."""

    @abstractmethod
    async def read(self) -> GuardResult:
        """Read the machine and return the result within seconds; UNKNOWN if it can't be known, as when it raises."""
