"""The contract of triggers: a schedule computes instants, a source watches the world."""

from abc import abstractmethod
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from rae_auto.api.plugin import Plugin


class ScheduleTrigger(Plugin):
    """A trigger that computes instants. Make it `attrs.frozen`: equal ones are computed once and shared.

    Being pure it can be simulated, previewed and caught up. A field named `timezone` left at None is filled
    with the configuration's zone before the class is made.
    """

    jitter: timedelta = timedelta(0)
    """Each start is delayed by a share of this, the same for the same job and instant."""

    @abstractmethod
    def next_after(self, instant: datetime) -> datetime | None:
        """The first instant (aware) strictly after `instant`, or None when the schedule has ended. Pure."""

    def note(self, instant: datetime) -> str | None:
        """What a person should know of one of its instants, in one line: a clock that was set moved it. Pure."""
        return None

    def warnings(self) -> tuple[str, ...]:
        """Doubts about the options that `rae-auto check` shows; one line each."""
        return ()


class Emit(Protocol):
    """How a source tells of something: returns once the occurrence is durable."""

    def __call__(self, key: str, event: Mapping[str, Any] | None = None, at: datetime | None = None) -> Awaitable[None]:
        """`key` identifies what happened, so that it is decided once however often it is told."""
        ...


@frozen
class Watch:
    """What a source works with. `directory` is its own, kept over restarts; it need not exist yet."""

    job: str
    trigger: str
    directory: Path
    emit: Emit


class SourceTrigger(Plugin):
    """A trigger that watches the world and tells what happened."""

    @abstractmethod
    async def watch(self, watch: Watch) -> None:
        """Watch until cancelled. Returning ends the source for good; raising has it restarted, ever later."""
