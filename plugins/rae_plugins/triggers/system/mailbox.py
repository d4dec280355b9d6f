"""Facts from a thread that a platform's own message loop needs."""

import asyncio
import threading

from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.facts import Fact

PATIENCE = 1.5
"""Seconds for which a platform may be held up before it sleeps: Windows gives two."""


class Mailbox:
    """Belongs to one event loop; `put` is for other threads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[Fact, threading.Event]] = asyncio.Queue()

    def put(self, fact: Fact, *, wait: bool = False) -> None:
        """Hand over a fact; with `wait` return when what follows from it is durable, or the patience is over."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, (fact, done))
        if wait:
            done.wait(PATIENCE)

    async def deliver(self, report: Report) -> None:
        """Report what is handed over, until cancelled. Errors of `report` pass through."""
        while True:
            fact, done = await self._queue.get()
            await report(fact)
            done.set()
