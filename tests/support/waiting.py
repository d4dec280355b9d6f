"""Waiting for what comes to pass sooner or later: never a sleep and a hope."""

import asyncio
import time
from collections.abc import Callable
from typing import Any


def eventually(holds: Callable[[], Any], within: float = 60.0) -> Any:
    """Return the value of `holds` once it is true; it is called again and again, for at most so many seconds."""
    deadline = time.monotonic() + within
    while True:
        asked_at = time.monotonic()
        if found := holds():
            return found
        now = time.monotonic()
        assert now < deadline, "it didn't come to pass"
        # What is waited for needs the processor more than a question that takes long.
        time.sleep(min(max(0.01, now - asked_at), 0.2))


async def until(holds: Callable[[], Any], within: float = 60.0) -> None:
    """The same for what goes on in this event loop, or beside it."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - what happens in a file, a thread or a process sets no event
            await asyncio.sleep(0.01)
