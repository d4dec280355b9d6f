"""The journal of events: from states to occurrences, over restarts.

The last states are saved in a file. The occurrences that follow from a new state are saved together with it, and
removed once they are durable: after a crash in between the same occurrences are emitted again under the same keys,
though the world has moved on.

Delays: the engine waits for them. The journal remembers which occurrences may be waiting, and withdraws one when an
event comes that undoes its own, when its own comes again, or when the machine was restarted: then the time to wait for
begins with the newer event, or there is nothing left to wait for. Withdrawals stand among the pending occurrences, in
their order, so that what comes again finds the older start gone.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
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
    UNDOES,
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

MAX_DELAYED_STARTS = 100
"""Number of occurrences, the newest, of which it is remembered that their delay may not be over."""


def kinds_of(names: Collection[EventName]) -> frozenset[str]:
    """Return the kinds of changes from which these events follow."""
    return frozenset(slot for slot, events in _SLOTS.items() if not events.isdisjoint(names))


_WATCHED: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def alone_in(directory: Path) -> AsyncIterator[None]:
    """Wait for the end of an earlier watcher of the directory, which was cancelled but has not ended."""
    lock = _WATCHED.setdefault(directory, asyncio.Lock())
    async with lock:
        yield


@frozen
class SystemOccurrence:
    """An occurrence to emit, or to withdraw because of an event. `at` is ISO 8601."""

    key: str
    event: dict[str, Any]
    at: str
    withdrawn_by: str | None = None


@frozen
class DelayedStart:
    """An occurrence whose delay may not be over, with its event, the subject of that, and its instant (ISO 8601)."""

    key: str
    name: str
    subject: str
    at: str

    def withdraw(self, by: str) -> SystemOccurrence:
        """Return what is to be done to withdraw it."""
        return SystemOccurrence(self.key, {}, self.at, by)

    def is_ended_by(self, change: Change, *, fires: bool) -> bool:
        """Tell whether an event undoes its own, or repeats it and fires as that did."""
        is_same = self.subject == change.subject
        if self.name in UNDOES.get(change.name, ()):
            # A program that is started again is another process.
            return is_same or change.name is EventName.PROCESS_STARTED
        return is_same and fires and self.name == change.name


@frozen
class Memory:
    """Saved state: the boot, the last state of each kind, the number of events, and occurrences not emitted yet.

    `delayed` has the newest occurrences whose delay may not be over.
    """

    boot: str
    states: Mapping[str, SystemState] = field(factory=dict)
    count: int = 0
    pending: tuple[SystemOccurrence, ...] = ()
    delayed: tuple[DelayedStart, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the state as a JSON document."""
        saved = {slot: _plain.unstructure(state) for slot, state in self.states.items() if state.is_saved}
        pending = _plain.unstructure(list(self.pending))
        delayed = _plain.unstructure(list(self.delayed))
        return {"boot": self.boot, "states": saved, "count": self.count, "pending": pending, "delayed": delayed}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Memory":
        """Read a JSON document; raises ValueError, TypeError or KeyError for others, or cattrs' groups of them."""
        states = {
            slot: _plain.structure(value, _KINDS[slot]) for slot, value in document["states"].items() if slot in _KINDS
        }
        pending = _plain.structure(document["pending"], list[SystemOccurrence])
        delayed = _plain.structure(document["delayed"], list[DelayedStart])
        return cls(str(document["boot"]), states, int(document["count"]), tuple(pending), tuple(delayed))


class EventJournal:
    """Compares reported states with the last ones, and emits the changes. Belongs to one event loop."""

    def __init__(
        self, context: TriggerContext, event_filter: EventFilter, boot: str, delay: timedelta = timedelta(0)
    ) -> None:
        self._context = context
        self._delay = delay
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
        withdrawals = () if same else tuple(start.withdraw(EventName.BOOT) for start in saved.delayed)
        self._memory = evolve(
            self._memory,
            states=states,
            count=saved.count,
            pending=(*saved.pending, *withdrawals),
            delayed=saved.delayed if same else (),
        )
        await self._emit_pending()

    async def report(self, state: SystemState) -> None:
        """Emit the changes that lead to a state; returns once they are durable. Errors of `emit` pass through."""
        async with self._one_at_a_time:
            before = self._memory.states.get(state.slot)
            changes, now = state.since(before, self._event_filter)
            pending = self._take_changes(changes)
            if not pending and now == before:
                return
            self._context.trace(str(state)[:200])
            self._memory = evolve(self._memory, states={**self._memory.states, state.slot: now}, pending=pending)
            if pending or state.is_saved:
                await self._file.save(self._memory.document())
            await self._emit_pending()

    def _take_changes(self, changes: Sequence[Change]) -> tuple[SystemOccurrence, ...]:
        """Return what follows from events: occurrences to withdraw and to emit, in their order."""
        pending: list[SystemOccurrence] = []
        for change in changes:
            fires = self._event_filter.matches(change)
            delayed = self._memory.delayed
            ended = [start for start in delayed if start.is_ended_by(change, fires=fires)]
            pending += [start.withdraw(change.name) for start in ended]
            delayed = tuple(start for start in delayed if start not in ended)
            if fires:
                occurrence = self._occurrence(change)
                pending.append(occurrence)
                if self._delay:
                    start = DelayedStart(occurrence.key, change.name, change.subject, occurrence.at)
                    delayed = (*delayed, start)[-MAX_DELAYED_STARTS:]
            self._memory = evolve(self._memory, count=self._memory.count + fires, delayed=delayed)
        return tuple(pending)

    def _occurrence(self, change: Change) -> SystemOccurrence:
        now = self._context.timer.now().wall
        identity = f"{self._memory.boot}:{change.identity}" if change.identity else ""
        # The count distinguishes two of one instant, as a clock that was set back may make them.
        key = identity or f"{format_instant(now)}:{self._memory.count}"
        return SystemOccurrence(f"{change.name}:{key}", {"event": str(change.name), **change.data}, format_instant(now))

    async def _emit_pending(self) -> None:
        if not self._memory.pending:
            return
        for occurrence in self._memory.pending:
            if occurrence.withdrawn_by is None:
                await self._context.emit(occurrence.key, occurrence.event, parse_instant(occurrence.at))
            else:
                await self._context.withdraw(occurrence.key, occurrence.withdrawn_by)
        self._memory = evolve(self._memory, pending=())
        await self._file.save(self._memory.document())
