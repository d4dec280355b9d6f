"""A bridge from the thread of a platform's message loop to asyncio."""

import asyncio
import threading
from collections.abc import Callable

from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.changes import SystemState

STOP_TIMEOUT_SECONDS = 1.5
"""Seconds for which a platform may be held up before it sleeps: Windows gives two."""

Make = Callable[[], SystemState]
"""Makes a state on the event loop, whose clocks it may read."""


class ThreadBridge:
    """Belongs to one event loop; `put` is for other threads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[Make, threading.Event]] = asyncio.Queue()

    def put(self, make: Make, *, wait: bool = False) -> None:
        """Hand over a state; with `wait` return when its events are durable, or after the timeout."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, (make, done))
        if wait:
            done.wait(STOP_TIMEOUT_SECONDS)

    async def serve(self, work: Callable[[], None], stop: Callable[[], None], report: Report) -> None:
        """Have a thread do its work, and report what it puts in until cancelled; then `stop` is to end it.

        Errors of `report` and of the thread pass through.
        """
        thread = threading.Thread(target=self._run, args=(work,), name="rae-auto system events", daemon=True)
        thread.start()
        try:
            while True:
                make, done = await self._queue.get()
                await report(make())
                done.set()
        finally:
            stop()
            await asyncio.to_thread(thread.join, 5)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.put(lambda error=error: _raise(error))  # type: ignore[misc]  # a lambda's default has no type


def _raise(error: Exception) -> SystemState:
    raise error
