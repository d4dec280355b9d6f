"""The scheduler of a running daemon for programs without an event loop."""

from pathlib import Path
from typing import cast

from rae_auto.control.remote_scheduler import RemoteScheduler
from rae_auto.runtime.scheduler import Scheduler
from rae_auto.runtime.sync_scheduler import SyncScheduler


class SyncRemoteScheduler(SyncScheduler):
    """A SyncScheduler whose scheduler is a remote one."""

    def __init__(self, directory: Path) -> None:
        """Connect to the daemon of a state directory, once it is opened."""
        super().__init__()
        self._directory = directory

    async def _open(self) -> Scheduler:
        # It has the methods of a Scheduler, which a test compares; a common base would list them all once more.
        return cast("Scheduler", await RemoteScheduler(self._directory).__aenter__())
