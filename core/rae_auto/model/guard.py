"""What guards say, and what the engine needs of one that it can ask by itself."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from attrs import frozen


class Answer(StrEnum):
    """Whether a job may start now. What nobody can tell is no yes."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class Says:
    """A guard's answer, and why, in one line: what it saw."""

    answer: Answer
    because: str

    @property
    def lets(self) -> bool:
        """Whether it lets the job start."""
        return self.answer is Answer.YES


class Computed(Protocol):
    """A guard that depends on the time alone: the engine asks it by itself."""

    def says(self, instant: datetime) -> Says:
        """Whether a job may start at the instant (aware). No clock, no state."""
        ...

    def changes_after(self, instant: datetime) -> datetime | None:
        """An instant strictly after, until which the answer stays the same; None where it never changes."""
        ...
