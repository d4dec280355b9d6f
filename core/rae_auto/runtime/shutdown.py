"""The end of a scheduler whose store can't be written: after the grace it goes as if it had crashed."""

import asyncio
from collections.abc import Callable

LOOK_AGAIN = 0.5
"""Seconds between looks at the store while stopping takes longer than its grace."""


class ShutdownDeadline:
    """Sets `stopped` where trouble with the store would keep it from ever being set; `reason` says so."""

    def __init__(self, trouble: Callable[[], str | None], stopped: asyncio.Event) -> None:
        self.reason: str | None = None
        self._trouble = trouble
        self._stopped = stopped
        self._watching: asyncio.Task[None] | None = None

    def after(self, grace: float) -> None:
        """Watch once so many seconds have passed; the last call counts."""
        self.cancel()
        self._watching = asyncio.get_running_loop().create_task(self._watch(grace))

    def cancel(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self, grace: float) -> None:
        await asyncio.sleep(grace)
        # Trouble may come at any time from now on.
        while (trouble := self._trouble()) is None:  # noqa: ASYNC110 - it comes and goes, and nobody tells
            await asyncio.sleep(LOOK_AGAIN)
        self.reason = f"stopped without writing state, so the next start looks for what ran: {trouble}"
        self._stopped.set()
