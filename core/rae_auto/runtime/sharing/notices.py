"""The wait for a notice of another node, which can be lost with the connection that it was sent on."""

import asyncio

NOTICE_SECONDS = 5.0
"""Time after which a node looks for messages without a notice."""


async def wait_for_notice(notice: asyncio.Event) -> None:
    """Return once the event is set, or after `NOTICE_SECONDS`; clear it."""
    try:
        async with asyncio.timeout(NOTICE_SECONDS):
            await notice.wait()
    except TimeoutError:
        pass
    notice.clear()
