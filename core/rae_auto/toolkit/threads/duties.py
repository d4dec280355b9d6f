"""Duties: work that goes on until it is cancelled, whatever one message, document or plugin does to it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from loguru import logger

RESTART_SECONDS, MAX_RESTART_SECONDS = 1.0, 60.0
"""Pause before a duty that failed starts again: the first, and the longest to which it doubles."""

GOOD_SECONDS = 600.0
"""Time without a fault after which the next pause is the first one again."""


async def keep_going(name: str, duty: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Carry out a duty; log what it raises, and start it again. Returns when the duty does.

    Use it for each task that no one waits for: an exception would end such a task in silence.
    """
    now = asyncio.get_running_loop().time
    pause = RESTART_SECONDS
    while True:
        began_at = now()
        try:
            return await duty()
        except Exception as error:  # of whatever kind: what depends on the duty must not wait for a person
            if now() - began_at >= GOOD_SECONDS:
                pause = RESTART_SECONDS
            logger.opt(exception=error).error(
                'the duty "{}" failed, and starts again in {:g} s: {!r}', name, pause, error
            )
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_RESTART_SECONDS)
