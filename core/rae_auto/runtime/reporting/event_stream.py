"""The event stream: messages to all subscribers, of which a slow one doesn't block the others."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any
from weakref import ref

from rae_auto.runtime.reporting.fault_log import call_or_log

Event = Mapping[str, Any]

MAX_BACKLOG_EVENTS = 10_000
"""Number of events that wait for a slow subscriber before it loses the oldest."""


class EventStream:
    """Hands each event to every subscriber."""

    def __init__(self) -> None:
        # Weak, because a stream that is dropped before its first event is never closed. Not a WeakSet: to look into
        # one takes as long as to make the message.
        self._listeners: set[ref[_Backlog]] = set()
        self._forward: Callable[[Event], object] = lambda _: None
        self._is_wanted: Callable[[], bool] = lambda: False

    @property
    def has_subscribers(self) -> bool:
        """Return whether anyone reads events: without a reader none need be made."""
        return bool(self._listeners) or self._is_wanted()

    def forward(self, send: Callable[[Event], object], is_wanted: Callable[[], bool]) -> None:
        """Also hand each event to `send`, as long as `is_wanted`."""
        self._forward, self._is_wanted = send, is_wanted

    def publish(self, event: Event) -> None:
        """Send an event to all current subscribers."""
        if self._listeners:
            self._send(event)
        if self._is_wanted():
            call_or_log("sent to clients", self._forward, event)

    def close(self) -> None:
        """End every subscriber's stream."""
        self._send(None)

    def subscribe(self) -> AsyncGenerator[Event, None]:
        """Return the events from this call on, until the stream is closed by either side."""
        backlog = _Backlog()
        listener = ref(backlog, self._listeners.discard)
        self._listeners.add(listener)
        return self._stream(backlog, listener)

    def _send(self, event: Event | None) -> None:
        # A copy, because one may be forgotten at any moment.
        for listener in tuple(self._listeners):
            if (backlog := listener()) is not None:
                backlog.events.append(event)
                if not backlog.has_some.is_set():
                    backlog.has_some.set()

    async def _stream(self, backlog: "_Backlog", listener: "ref[_Backlog]") -> AsyncGenerator[Event, None]:
        events = backlog.events
        try:
            while True:
                await backlog.has_some.wait()
                while events:
                    if (event := events.popleft()) is None:
                        return
                    yield event
                backlog.has_some.clear()
        finally:
            self._listeners.discard(listener)


class _Backlog:
    """The events that a subscriber has not taken yet, the oldest first; None is the end of the stream."""

    def __init__(self) -> None:
        self.events: deque[Event | None] = deque(maxlen=MAX_BACKLOG_EVENTS)
        self.has_some = asyncio.Event()
