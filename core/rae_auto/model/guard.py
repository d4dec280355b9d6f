"""Results of guards, and the part of a computed guard that the engine uses."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from attrs import frozen

EXECUTOR_GUARD = "executor"
"""Id of the guard that stands for a job's executor, where that may have to wait for a machine."""


class Verdict(StrEnum):
    """Answer of a guard. UNKNOWN does not allow a start."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class GuardResult:
    """Result of a guard: its verdict and the reason in one line."""

    verdict: Verdict
    reason: str

    @property
    def allows(self) -> bool:
        """True if the job may start."""
        return self.verdict is Verdict.YES


class Computed(Protocol):
    """A guard that depends on the time alone, so that the engine evaluates it by itself."""

    def evaluate(self, instant: datetime) -> GuardResult:
        """Return whether a job may start at the instant (aware). Pure: no clock, no state."""
        ...

    def changes_after(self, instant: datetime) -> datetime | None:
        """Return an instant strictly after, until which the result stays the same; None if it never changes."""
        ...
