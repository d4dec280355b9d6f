"""Background tasks that plugins can't keep alive: after a time limit they are abandoned."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

from loguru import logger

from rae_auto.runtime.concurrency.owned_threads import context_of

CLOSE_TIMEOUT_SECONDS = 1.0
"""Seconds that a plugin may take to close."""

T = TypeVar("T")


class BackgroundTasks:
    """Tasks of one kind. Each is referenced until it ends; asyncio itself would let it be collected."""

    def __init__(self, kind: str) -> None:
        """Create an empty set; `kind` names one of its tasks in messages, as in "a notifier"."""
        self._kind = kind
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, T], name: str | None = None, *, owner: str | None = None
    ) -> "asyncio.Task[T]":
        """Run it in a task of its own, from the next turn of the event loop on.

        `owner` is the place where a plugin is used: its blocking calls get threads of their own.
        """
        context = None if owner is None else context_of(owner)
        task = asyncio.get_running_loop().create_task(work, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self, limit: float) -> None:
        """Wait at most this many seconds until all have ended; cancel and abandon the others."""
        await wait_for_tasks(self._tasks, self._kind, limit)

    async def close(self, limit: float = CLOSE_TIMEOUT_SECONDS) -> None:
        """Cancel all, and wait at most this many seconds until they have ended."""
        for task in self._tasks:
            task.cancel()
        await self.wait(limit)


async def wait_for_tasks(
    tasks: Collection["asyncio.Task[Any]"], kind: str, limit: float = CLOSE_TIMEOUT_SECONDS
) -> None:
    """Wait at most this many seconds until all have ended; log and abandon those that ignore their cancellation."""
    if not tasks:
        return
    done, left = await asyncio.wait(tasks, timeout=limit)
    for task in done:
        if not task.cancelled():
            task.exception()
    for task in left:
        task.cancel()
        logger.error("{} did not end within {:g} s and was abandoned: {}", kind, limit, task.get_name())


def run_until_complete(main: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
    """Run as `asyncio.run` does, but abandon tasks that ignore their cancellation."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
    finally:
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(wait_for_tasks(left, "a task"))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
