"""The journal of events: from states to occurrences, over restarts.

What was last so is kept in a file. What follows from a new fact is noted there together with the fact, and crossed out
once it is durable: after a crash in between the same is told again under the same key, though the world has moved on.
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
from rae_plugins.triggers.system.changes import Booted, Change, EventFilter, Rest, ShuttingDown, SystemChange
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

_KINDS: Mapping[str, type[SystemChange]] = {
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
    """Wait until nobody else keeps anything in the directory, as one does who was told to end but has not yet."""
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
    facts: Mapping[str, SystemChange] = field(factory=dict)
    count: int = 0
    pending: tuple[SystemOccurrence, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        kept = {slot: _plain.unstructure(fact) for slot, fact in self.facts.items() if fact.is_kept}
        pending = _plain.unstructure(list(self.pending))
        return {"boot": self.boot, "facts": kept, "count": self.count, "pending": pending}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Memory":
        """From JSON; ValueError, TypeError or KeyError where that isn't one, or cattrs' groups of them."""
        facts = {
            slot: _plain.structure(value, _KINDS[slot]) for slot, value in document["facts"].items() if slot in _KINDS
        }
        pending = _plain.structure(document["pending"], list[SystemOccurrence])
        return cls(str(document["boot"]), facts, int(document["count"]), tuple(pending))


class EventJournal:
    """Compares what is reported with what was, and tells the difference. Belongs to one event loop."""

    def __init__(self, watch: TriggerContext, wanted: EventFilter, boot: str) -> None:
        self._watch = watch
        self._wanted = wanted
        self._file = StateFile(watch.directory / "system.json", watch.job)
        self._memory = Memory(boot)
        self._one_at_a_time = asyncio.Lock()

    async def open(self, slots: frozenset[str]) -> None:
        """Take up what was left; of what was known only these kinds are of use, and of another boot nothing is.

        A kind that nobody watched for a while would else be compared with what was long ago.
        """
        kept = await self._file.load(Memory.of)
        if kept is None:
            return
        same = kept.boot == self._memory.boot
        facts = {slot: fact for slot, fact in kept.facts.items() if slot in slots and (same or slot == Booted.slot)}
        self._memory = evolve(self._memory, facts=facts, count=kept.count, pending=kept.pending)
        await self._emit_pending()

    async def report(self, fact: SystemChange) -> None:
        """Tell what follows from a fact; returns once that is durable. Errors of `emit` pass through."""
        async with self._one_at_a_time:
            before = self._memory.facts.get(fact.slot)
            changes, now = fact.since(before, self._wanted)
            previous = [change for change in changes if self._wanted.matches(change)]
            if not previous and now == before:
                return
            self._watch.trace(str(fact)[:200])
            self._memory = evolve(
                self._memory,
                facts={**self._memory.facts, fact.slot: now},
                count=self._memory.count + len(previous),
                pending=tuple(self._occurrence(change, number) for number, change in enumerate(previous)),
            )
            if previous or fact.is_kept:
                await self._file.save(self._memory.document())
            await self._emit_pending()

    def _occurrence(self, change: Change, number: int) -> SystemOccurrence:
        now = self._watch.timer.now().wall
        identity = f"{self._memory.boot}:{change.identity}" if change.identity else ""
        # The count tells two of one instant apart, as a clock that was set back may make them.
        key = identity or f"{format_instant(now)}:{self._memory.count + number}"
        return SystemOccurrence(f"{change.name}:{key}", {"event": str(change.name), **change.data}, format_instant(now))

    async def _emit_pending(self) -> None:
        if not self._memory.pending:
            return
        for occurrence in self._memory.pending:
            await self._watch.emit(occurrence.key, occurrence.event, parse_instant(occurrence.at))
        self._memory = evolve(self._memory, pending=())
        await self._file.save(self._memory.document())
