"""Shutdown with a store that can't be written: after the grace the scheduler ends as if it had crashed."""

import asyncio
from collections.abc import Callable

STORE_CHECK_SECONDS = 0.5
"""Time between checks of the store while stopping takes longer than its grace."""


class ShutdownDeadline:
    """Sets `stopped` when a store that can't be written would keep it from ever being set; `reason` says why."""

    def __init__(self, trouble: Callable[[], str | None], stopped: asyncio.Event) -> None:
        self.reason: str | None = None
        self._trouble = trouble
        self._stopped = stopped
        self._task: asyncio.Task[None] | None = None

    def start(self, grace: float) -> None:
        """Check the store once `grace` seconds have passed; the last call counts."""
        self.cancel()
        self._task = asyncio.get_running_loop().create_task(self._watch(grace))

    def cancel(self) -> None:
        """Stop checking."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self, grace: float) -> None:
        await asyncio.sleep(grace)
        # The store may fail at any time from now on.
        while (trouble := self._trouble()) is None:  # noqa: ASYNC110 - a store sends no event
            await asyncio.sleep(STORE_CHECK_SECONDS)
        self.reason = f"stopped without saving its state; the next start finds out what still runs: {trouble}"
        self._stopped.set()
