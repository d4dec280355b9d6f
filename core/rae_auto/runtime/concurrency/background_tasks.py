"""Ends that plugins can't put off: tasks are waited for, for a time, and then left to themselves."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

from loguru import logger

CLOSE_LIMIT = 1.0
"""Seconds that a plugin may take to close."""


async def wait_for_tasks(tasks: Collection["asyncio.Task[Any]"], what: str, limit: float = CLOSE_LIMIT) -> None:
    """Wait until all have ended, or until the limit: one that ignores its cancellation is left behind, and told."""
    if not tasks:
        return
    done, left = await asyncio.wait(tasks, timeout=limit)
    for task in done:
        if not task.cancelled():
            task.exception()
    for task in left:
        task.cancel()
        logger.error("{} didn't end in {:g} s and is left behind: {}", what, limit, task.get_name())


def run_until_complete(main: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
    """As `asyncio.run`, but for tasks that ignore being cancelled: these are left behind."""
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
