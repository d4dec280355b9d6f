"""The base of reasons, and what several of them share."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from attrs import frozen

TimeFormat = Callable[[datetime], str]
"""Returns an instant as text."""


def time_text(instant: datetime) -> str:
    """Return an instant in ISO 8601, to the second."""
    return instant.isoformat(timespec="seconds")


@frozen
class ReasonBase:
    """The base of all reasons; use the unions below in types."""

    code: ClassVar[str]
    meaning: ClassVar[str]

    @property
    @abstractmethod
    def text(self) -> str:
        """The reason as a clause, for a person."""

    def describe(self, time: TimeFormat) -> str:
        """Return the reason as a clause, with instants as `time` shows them."""
        return self.text

    def describe_past(self, time: TimeFormat) -> str:
        """Return the reason as `describe` does, once it no longer holds."""
        return self.describe(time)


@frozen
class TimedReason(ReasonBase):
    """The base of reasons with an instant in their text."""

    @property
    def text(self) -> str:
        return self.describe(time_text)

    @abstractmethod
    def describe(self, time: TimeFormat) -> str:
        """Return the reason as a clause, with instants as `time` shows them."""


class MissedCause(StrEnum):
    """The cause of missing an instant."""

    DOWN = "down"
    SLEPT = "slept"
    SET_FORWARD = "set_forward"
    SET_BACK = "set_back"
    BUSY = "busy"
    STORE_REVERTED = "store_reverted"

    @property
    def text(self) -> str:
        """The cause as a clause, for a person."""
        return _MISSED_CAUSES[self]


_MISSED_CAUSES: Mapping[MissedCause, str] = {
    MissedCause.DOWN: "the daemon was down",
    MissedCause.SLEPT: "the machine slept",
    MissedCause.SET_FORWARD: "the clock was set forward",
    MissedCause.SET_BACK: "the clock was set back",
    MissedCause.BUSY: "the daemon was busy",
    MissedCause.STORE_REVERTED: "the store went back to an older state, so nothing shows what ran",
}
