"""Facts from a thread that a platform's own message loop needs."""

import asyncio
import threading
from collections.abc import Callable

from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.facts import Fact

PATIENCE = 1.5
"""Seconds for which a platform may be held up before it sleeps: Windows gives two."""

Make = Callable[[], Fact]
"""Makes a fact, on the event loop, whose clocks it may ask."""


class Mailbox:
    """Belongs to one event loop; `put` and `run` are for other threads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[Make, threading.Event]] = asyncio.Queue()

    def put(self, make: Make, *, wait: bool = False) -> None:
        """Hand over a fact; with `wait` return when what follows from it is durable, or the patience is over."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, (make, done))
        if wait:
            done.wait(PATIENCE)

    def run(self, work: Callable[[], None]) -> None:
        """Do the work of a thread; what it raises is raised by `deliver`."""
        try:
            work()
        except Exception as error:
            self.put(lambda error=error: _raise(error))  # type: ignore[misc]  # a lambda's default has no type

    async def deliver(self, report: Report) -> None:
        """Report what is handed over, until cancelled. Errors of `report` and of the thread pass through."""
        while True:
            make, done = await self._queue.get()
            await report(make())
            done.set()


def _raise(error: Exception) -> Fact:
    raise error
