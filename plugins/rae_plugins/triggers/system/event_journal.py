"""The journal of events: from states to occurrences, over restarts.

The last states are saved in a file. The occurrences that follow from a new state are saved together with it, and
removed once they are durable: after a crash in between the same occurrences are emitted again under the same keys,
though the world has moved on.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from attrs import evolve, field, frozen
from cattrs import Converter

from rae_auto.api import TriggerContext
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.triggers.system.changes import Booted, Change, EventFilter, Rest, ShuttingDown, SystemState
from rae_plugins.triggers.system.devices import Devices
from rae_plugins.triggers.system.event_names import (
    DEVICES,
    LOCKS,
    NETWORK,
    POWER,
    PROCESSES,
    REST,
    SESSIONS,
    EventName,
)
from rae_plugins.triggers.system.network import Network
from rae_plugins.triggers.system.power import PowerState
from rae_plugins.triggers.system.processes import Processes
from rae_plugins.triggers.system.sessions import Screen, Sessions

_KINDS: Mapping[str, type[SystemState]] = {
    kind.slot: kind for kind in (Booted, Devices, Network, PowerState, Processes, Rest, Screen, Sessions, ShuttingDown)
}
_SLOTS: Mapping[str, frozenset[EventName]] = {
    Booted.slot: frozenset({EventName.BOOT}),
    Devices.slot: DEVICES,
    Network.slot: NETWORK,
    PowerState.slot: POWER,
    Processes.slot: PROCESSES,
    Rest.slot: REST,
    Screen.slot: LOCKS,
    Sessions.slot: SESSIONS,
    ShuttingDown.slot: frozenset({EventName.SHUTDOWN}),
}
_plain = Converter()


def kinds_of(names: Collection[EventName]) -> frozenset[str]:
    """Return the kinds of changes from which these events follow."""
    return frozenset(slot for slot, events in _SLOTS.items() if not events.isdisjoint(names))


_WATCHED: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def alone_in(directory: Path) -> AsyncIterator[None]:
    """Wait for the end of an earlier watcher of the directory, which was cancelled but is still at work."""
    lock = _WATCHED.setdefault(directory, asyncio.Lock())
    async with lock:
        yield


@frozen
class SystemOccurrence:
    """An occurrence to emit. `at` is ISO 8601."""

    key: str
    event: dict[str, Any]
    at: str


@frozen
class Memory:
    """Saved state: the boot, the last state of each kind, the number of events, and occurrences not emitted yet."""

    boot: str
    states: Mapping[str, SystemState] = field(factory=dict)
    count: int = 0
    pending: tuple[SystemOccurrence, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the state as a JSON document."""
        saved = {slot: _plain.unstructure(state) for slot, state in self.states.items() if state.is_saved}
        pending = _plain.unstructure(list(self.pending))
        return {"boot": self.boot, "states": saved, "count": self.count, "pending": pending}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Memory":
        """Read a JSON document; raises ValueError, TypeError or KeyError for others, or cattrs' groups of them."""
        states = {
            slot: _plain.structure(value, _KINDS[slot]) for slot, value in document["states"].items() if slot in _KINDS
        }
        pending = _plain.structure(document["pending"], list[SystemOccurrence])
        return cls(str(document["boot"]), states, int(document["count"]), tuple(pending))


class EventJournal:
    """Compares reported states with the last ones, and emits the changes. Belongs to one event loop."""

    def __init__(self, context: TriggerContext, event_filter: EventFilter, boot: str) -> None:
        self._context = context
        self._event_filter = event_filter
        self._file = StateFile(context.directory / "system.json", context.job)
        self._memory = Memory(boot)
        self._one_at_a_time = asyncio.Lock()

    async def open(self, slots: frozenset[str]) -> None:
        """Load the saved states of these kinds, if they are of this boot, and emit what is pending.

        A state of a kind that was not watched for a while is too old to be compared.
        """
        saved = await self._file.load(Memory.of)
        if saved is None:
            return
        same = saved.boot == self._memory.boot
        states = {
            slot: state for slot, state in saved.states.items() if slot in slots and (same or slot == Booted.slot)
        }
        self._memory = evolve(self._memory, states=states, count=saved.count, pending=saved.pending)
        await self._emit_pending()

    async def report(self, state: SystemState) -> None:
        """Emit the changes that lead to a state; returns once they are durable. Errors of `emit` pass through."""
        async with self._one_at_a_time:
            before = self._memory.states.get(state.slot)
            changes, now = state.since(before, self._event_filter)
            previous = [change for change in changes if self._event_filter.matches(change)]
            if not previous and now == before:
                return
            self._context.trace(str(state)[:200])
            self._memory = evolve(
                self._memory,
                states={**self._memory.states, state.slot: now},
                count=self._memory.count + len(previous),
                pending=tuple(self._occurrence(change, number) for number, change in enumerate(previous)),
            )
            if previous or state.is_saved:
                await self._file.save(self._memory.document())
            await self._emit_pending()

    def _occurrence(self, change: Change, number: int) -> SystemOccurrence:
        now = self._context.timer.now().wall
        identity = f"{self._memory.boot}:{change.identity}" if change.identity else ""
        # The count distinguishes two of one instant, as a clock that was set back may make them.
        key = identity or f"{format_instant(now)}:{self._memory.count + number}"
        return SystemOccurrence(f"{change.name}:{key}", {"event": str(change.name), **change.data}, format_instant(now))

    async def _emit_pending(self) -> None:
        if not self._memory.pending:
            return
        for occurrence in self._memory.pending:
            await self._context.emit(occurrence.key, occurrence.event, parse_instant(occurrence.at))
        self._memory = evolve(self._memory, pending=())
        await self._file.save(self._memory.document())
