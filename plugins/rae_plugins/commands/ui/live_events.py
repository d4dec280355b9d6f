"""The event stream for browsers: one subscription to the daemon for all of them, as server-sent events."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rae_auto.api import CommandContext
from rae_auto.errors import SchedulerError

MAX_VIEWERS = 48
RETRY_SECONDS = 0.25
"""Time between two attempts to find a daemon again, while there are viewers."""

STANDBY_SECONDS = 3.0
"""Time between two looks at the store of a daemon that stands by, which has no events of the leader."""

GRACE_SECONDS = 30.0
"""Time for which it listens without a viewer: the first page is on its way, or one page follows another."""

MIN_INTERVAL_SECONDS = 0.05
"""Time between two messages to a browser; what happens meanwhile goes into the next one."""

HEARTBEAT_SECONDS = 15.0

STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class LiveEvents:
    """Notifies all viewers of changes.

    A page says with which version it was read. A viewer that is told another one at first has a page that is out of
    date, and reads it again; so it does at each change. A page that was read without a subscription may lack something
    that happened before there was one: the begin of a subscription is a change, too.
    """

    def __init__(
        self,
        context: CommandContext,
        note_change: Callable[[], None] = lambda: None,
        note_reload: Callable[[], None] = lambda: None,
    ) -> None:
        """Listen to the daemon of a context.

        `note_change` is called after jobs have changed, and `note_reload` after the configuration was read again, or
        when either may have happened.
        """
        self._context, self._note_change, self._note_reload = context, note_change, note_reload
        self._viewers: set[asyncio.Queue[str]] = set()
        self._is_listening = False
        self._wanted = threading.Event()
        self._has_daemon = False
        self._had_daemon = False
        self._changes = 0
        self._rest: asyncio.TimerHandle | None = None

    @property
    def version(self) -> int:
        """Return a number that is another one after each change; it is negative without a subscription."""
        return self._changes if self._has_daemon else -1 - self._changes

    @property
    def is_full(self) -> bool:
        """Return whether as many browsers listen as may."""
        return len(self._viewers) >= MAX_VIEWERS

    async def messages(self) -> AsyncIterator[str]:
        """Yield the messages for one browser, until it goes."""
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=64)
        self._viewers.add(queue)
        self.listen()
        try:
            yield format_message("hello", {"version": self.version})
            while True:
                try:
                    yield await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                await asyncio.sleep(MIN_INTERVAL_SECONDS)
                while queue.qsize() > 1:
                    # All of them mean the same to a page: look again.
                    queue.get_nowait()
        finally:
            self._viewers.discard(queue)
            self.listen()

    def listen(self) -> None:
        """Listen to the daemon for a while, also without a viewer."""
        loop = asyncio.get_running_loop()
        self._wanted.set()
        if not self._is_listening:
            self._is_listening = True
            # A thread that ends with the process, because a read from the socket can't be cancelled.
            threading.Thread(target=self._listen, args=[loop], name="events", daemon=True).start()
        if self._rest is not None:
            self._rest.cancel()
        self._rest = loop.call_later(GRACE_SECONDS, self._end_grace)

    def _end_grace(self) -> None:
        if not self._viewers:
            self._wanted.clear()

    def note_computed(self) -> None:
        """Notify viewers that something has been computed for which pages wait."""
        self._publish("change", {"kind": "computed"})

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read the event stream, in a thread of its own, and connect again while there are viewers."""
        while not loop.is_closed():
            self._wanted.wait()
            is_lost = True
            with suppress(SchedulerError, OSError, ValueError, RuntimeError):
                is_lost = self._follow(loop)
            # Not after a page was left: the next one must not wait.
            if is_lost and not loop.is_closed():
                loop.call_soon_threadsafe(self._end)
                time.sleep(RETRY_SECONDS)

    def _follow(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Publish the events of the daemon until there are no viewers, or it ends; return whether it has ended.

        A daemon that stands by is asked again in a while, and pages read the store meanwhile.

        Errors: DaemonUnreachable, OSError.
        """
        with self._context.connect(None) as client:
            if client.call("ping").get("refusal") is not None:
                loop.call_soon_threadsafe(self._end)
                loop.call_soon_threadsafe(self._publish, "change", {})
                time.sleep(STANDBY_SECONDS)
                return False
            events = client.events()
            loop.call_soon_threadsafe(self._begin)
            for event in events:
                if not self._wanted.is_set():
                    loop.call_soon_threadsafe(self._pause)
                    return False
                if event.get("kind") == "job":
                    loop.call_soon_threadsafe(self._note_change)
                elif event.get("kind") == "configuration":
                    loop.call_soon_threadsafe(self._note_reload)
                loop.call_soon_threadsafe(self._publish, "change", {"kind": str(event.get("kind", ""))})
        return True

    def _begin(self) -> None:
        self._has_daemon = True
        if self._had_daemon:
            # What happened while nothing listened is not known; before the first time nothing was computed yet.
            self._note_change()
            self._note_reload()
        self._had_daemon = True
        self._publish("change", {})

    def _pause(self) -> None:
        self._has_daemon = False

    def _end(self) -> None:
        if self._has_daemon:
            self._has_daemon = False
            self._publish("down", {})

    def _publish(self, kind: str, data: object) -> None:
        self._changes += 1
        for queue in self._viewers:
            if not queue.full():
                queue.put_nowait(format_message(kind, data))


def format_message(kind: str, data: object) -> str:
    """Return a server-sent event. JSON has no line ends, so that no data can end it early."""
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


async def serve_events(request: Request) -> Response:
    """Answer with the stream of events."""
    live: LiveEvents = request.app.state.site.live
    if live.is_full:
        return Response("too many pages are open; close some\n", 503)
    return StreamingResponse(live.messages(), media_type="text/event-stream", headers=STREAM_HEADERS)
