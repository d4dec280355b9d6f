"""Duties of a node that go on until they are cancelled, whatever one message, document or plugin does to them.

A notice can be lost with the connection that it was sent on, so each wait for one has a limit.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from loguru import logger

NOTICE_SECONDS = 5.0
"""Time after which a node looks for messages without a notice."""

RESTART_SECONDS, MAX_RESTART_SECONDS = 1.0, 60.0
"""Pause before a duty that failed starts again: the first, and the longest to which it doubles."""

GOOD_SECONDS = 600.0
"""Time without a fault after which the next pause is the first one again."""


async def wait_for_notice(notice: asyncio.Event) -> None:
    """Return once the event is set, or after `NOTICE_SECONDS`; clear it."""
    try:
        async with asyncio.timeout(NOTICE_SECONDS):
            await notice.wait()
    except TimeoutError:
        pass
    notice.clear()


async def keep_going(name: str, duty: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Carry out a duty; log what it raises, and start it again."""
    now = asyncio.get_running_loop().time
    pause = RESTART_SECONDS
    while True:
        began_at = now()
        try:
            return await duty()
        except Exception as error:  # of whatever kind: the other attempts must not wait for a person
            if now() - began_at >= GOOD_SECONDS:
                pause = RESTART_SECONDS
            logger.opt(exception=error).error(
                'the duty "{}" failed, and starts again in {:g} s: {}', name, pause, error
            )
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_RESTART_SECONDS)
