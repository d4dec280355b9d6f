"""States of the machine, and the events between one and the next. Pure.

An adapter reports *states*: how the machine is now, however the adapter has learnt of it. A state compared with the
last one of its kind gives the *changes*, which are the events. So a repeated report adds nothing, and a report after a
time without any (a bus that was lost, a daemon that was down) contains what happened meanwhile.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Self

from attrs import asdict, evolve, field, frozen

from rae_auto.model.primitives.clock_jumps import has_slept
from rae_plugins.machine.programs import is_called
from rae_plugins.triggers.system.event_names import EventName


@frozen
class EventFilter:
    """The events that a trigger selects."""

    names: frozenset[EventName]
    process: str = ""
    device: str = "*"
    user: str | None = None
    low: float = 15.0
    every: timedelta = timedelta(seconds=5)
    job: str = ""
    """The job whose own processes don't count."""

    def matches(self, change: "Change") -> bool:
        """Return whether an event is selected."""
        return change.name in self.names and (self.user is None or change.data.get("user") in (None, self.user))

    def is_process(self, name: str) -> bool:
        """Return whether processes of this name are selected."""
        return is_called(name, self.process)

    def is_device(self, name: str) -> bool:
        """Return whether a device, `subsystem/name`, is selected."""
        return fnmatchcase(name, self.device)


@frozen
class Change:
    """An event that follows from two states. Without an `identity` of its own it is known by its instant."""

    name: EventName
    data: Mapping[str, Any] = field(factory=dict)
    identity: str | None = None

    @property
    def subject(self) -> str:
        """The session, device or process that it happened to; empty for the machine as a whole."""
        return str(next((self.data[name] for name in ("session", "device", "pid") if name in self.data), ""))


class SystemState(ABC):
    """A state of the machine. `slot` names its kind, of which the last is remembered."""

    slot: ClassVar[str]
    is_saved: ClassVar[bool] = True
    """True if it is remembered over a restart of the daemon; none is over a boot."""

    def __str__(self) -> str:
        """Return the state in plain words."""
        previous = asdict(self, recurse=False).items()  # type: ignore[arg-type]  # each of them is an attrs class
        return f"{self.slot}: " + ", ".join(
            f"{name.replace('_', ' ')} {_format_words(value)}" for name, value in previous
        )

    @abstractmethod
    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return the events since the last state of the kind, and the state to remember; the first one has none."""


def _format_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else "unknown" if value is None else str(value) or "none"


@frozen
class Booted(SystemState):
    """The current boot of the machine."""

    slot = "boot"

    boot: str

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return an event once for each boot, the one in which a trigger first watches included."""
        if before is not None and before.boot == self.boot:
            return (), self
        return (Change(EventName.BOOT, {"boot": self.boot}, self.boot),), self


@frozen
class Rest(SystemState):
    """Suspension: whether it is about to begin, if known, and how many seconds the machine has slept so far."""

    slot = "rest"

    asleep: bool | None
    slept: float

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return the events. Service and clocks both report a resume; the first report counts."""
        if before is None:
            return (), evolve(self, asleep=bool(self.asleep))
        slept = self.slept - before.slept
        if self.asleep:
            previous = () if before.asleep else (Change(EventName.SLEEP),)
            return previous, evolve(before, asleep=True)
        if has_slept(before.slept, self.slept) or (before.asleep and self.asleep is False):
            return (Change(EventName.RESUME, {"slept": round(max(slept, 0.0), 3)}),), evolve(self, asleep=False)
        return (), before


@frozen
class ShuttingDown(SystemState):
    """An announced shutdown, or its withdrawal."""

    slot = "stopping"

    stopping: bool

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return the event when a shutdown is announced."""
        begins = self.stopping and before is not None and not before.stopping
        return ((Change(EventName.SHUTDOWN),) if begins else ()), self


@frozen
class ClockSet(SystemState):
    """The clock was set by this many seconds."""

    slot = "clock"
    is_saved = False

    by: float

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return the event; every report is one."""
        return (Change(EventName.CLOCK_CHANGED, {"by": round(self.by, 3)}),), self
