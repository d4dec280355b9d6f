"""Events: what happened in the world, as it was recorded, for triggers that look for patterns in it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol

from attrs import field, frozen

from rae_auto.model.primitives.trace import EVENT_KEY, traceparent_of
from rae_auto.model.run import Run

RUN_ENDED = "run."
"""Prefix of the events that record the end of a run: `run.succeeded`, `run.failed` …"""


@frozen
class Event:
    """Something that happened. `id` is unique, `name` a dotted word, `data` holds JSON values.

    The end of a run is an event too: `run.STATE`, with the run's id, and in `data` `job`, `trigger`, `state`,
    `exit_code`, `seconds`
    and `traceparent`.
    """

    id: str
    name: str
    at: datetime
    data: Mapping[str, Any] = field(factory=dict)


@frozen
class StreamPosition:
    """Position of a reader: all events before `at`, and those in `ids` at that very instant, are read."""

    at: datetime
    ids: tuple[str, ...] = ()

    def after(self, event: Event) -> "StreamPosition":
        """Return the position behind an event."""
        if event.at < self.at:
            return self
        return StreamPosition(event.at, (*self.ids, event.id) if event.at == self.at else (event.id,))

    def is_before(self, event: Event) -> bool:
        """Return whether the event comes after this position."""
        return event.at > self.at or (event.at == self.at and event.id not in self.ids)


def end_of(run: Run) -> Event:
    """Return the end of a run as an event."""
    ended, duration = run.finished_at, run.duration
    assert ended is not None, "the run is over"
    data = {
        "job": run.job,
        "run_id": run.id,
        "trigger": run.trigger,
        "state": run.state.value,
        "exit_code": run.exit_code,
        "seconds": None if duration is None else duration.total_seconds(),
        EVENT_KEY: traceparent_of(run.id, run.attempt, run.event),
    }
    return Event(run.id, f"{RUN_ENDED}{run.state.value}", ended, data)


def is_named(name: str, patterns: Sequence[str]) -> bool:
    """Return whether one of the patterns matches the name; `*` stands for any text."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class Events(Protocol):
    """The recorded events, durable and bounded, kept on this machine alone."""

    def follow(self, names: Sequence[str], after: StreamPosition | None) -> AsyncIterator[Sequence[Event]]:
        """Yield events of these names (`*` stands for any text): those after a position, oldest first, then each as
        it comes, in batches. None: only what comes from now on."""
        ...

    async def record(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """Record an event; it is durable when this returns. Errors: BadRequest, StoreError."""
        ...
