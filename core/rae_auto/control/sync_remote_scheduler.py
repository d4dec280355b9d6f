"""The scheduler of a running daemon for programs without an event loop."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from rae_auto.runtime.scheduler import Scheduler
from rae_auto.runtime.sync_scheduler import SyncScheduler


class SyncRemoteScheduler(SyncScheduler):
    """A SyncScheduler whose scheduler is a remote one."""

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        """Make one that is connected by a function when it is opened."""
        super().__init__()
        self._connect = connect

    async def _open(self) -> Scheduler:
        # It has the methods of a Scheduler, which a test compares; a common base would list them all once more.
        return cast("Scheduler", await self._connect())
