"""What guards say, and what the engine needs of one that it can ask by itself."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from attrs import frozen


class Verdict(StrEnum):
    """Whether a job may start now. What nobody can tell is no yes."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class GuardResult:
    """A guard's answer, and why, in one line: what it saw."""

    verdict: Verdict
    reason: str

    @property
    def allows(self) -> bool:
        """Whether it lets the job start."""
        return self.verdict is Verdict.YES


class Computed(Protocol):
    """A guard that depends on the time alone: the engine asks it by itself."""

    def evaluate(self, instant: datetime) -> GuardResult:
        """Whether a job may start at the instant (aware). No clock, no state."""
        ...

    def changes_after(self, instant: datetime) -> datetime | None:
        """An instant strictly after, until which the answer stays the same; None where it never changes."""
        ...
