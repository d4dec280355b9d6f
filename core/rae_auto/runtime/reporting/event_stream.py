"""The event stream: messages to all subscribers, of which a slow one doesn't block the others."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from weakref import WeakSet

Event = Mapping[str, Any]

MAX_BACKLOG_EVENTS = 10_000
"""Number of events that wait for a slow subscriber before it loses the oldest."""


class EventStream:
    """Hands each event to every subscriber."""

    def __init__(self) -> None:
        # Weak, because a stream that is dropped before its first event is never closed.
        self._listeners: WeakSet[asyncio.Queue[Event | None]] = WeakSet()

    @property
    def has_subscribers(self) -> bool:
        """Return whether the stream has a subscriber."""
        return bool(self._listeners)

    def publish(self, event: Event) -> None:
        """Send an event to all current subscribers."""
        for listener in self._listeners:
            _put(listener, event)

    def close(self) -> None:
        """End every subscriber's stream."""
        for listener in self._listeners:
            _put(listener, None)

    def subscribe(self) -> AsyncGenerator[Event, None]:
        """Return the events from this call on, until the stream is closed by either side."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MAX_BACKLOG_EVENTS)
        self._listeners.add(queue)
        return self._stream(queue)

    async def _stream(self, queue: "asyncio.Queue[Event | None]") -> AsyncGenerator[Event, None]:
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._listeners.discard(queue)


def _put(queue: "asyncio.Queue[Event | None]", event: Event | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(event)
