"""The contract of platform adapters: they report states, and name the events they can't report."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol

from rae_auto.api.trigger import Timer
from rae_plugins.triggers.system.changes import EventFilter, SystemState
from rae_plugins.triggers.system.event_names import EventName

Report = Callable[[SystemState], Awaitable[None]]
"""Takes a state, and returns once its events are durable. A repeated state has no effect."""


class Adapter(Protocol):
    """Reports what happens on one platform."""

    def missing(self, names: Collection[EventName]) -> Mapping[EventName, str]:
        """Return the events that can't be reported here, each with the reason and a remedy. Makes no connection."""
        ...

    def boot(self) -> str:
        """Return an identifier of this boot of the machine. May block for a moment."""
        ...

    async def watch(self, event_filter: EventFilter, report: Report, timer: Timer) -> None:
        """Report the states from which the selected events follow, until cancelled. Errors of `report` pass through."""
        ...
