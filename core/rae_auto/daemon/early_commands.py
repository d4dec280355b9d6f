"""The commands of a daemon whose start takes long, because its store can't be written or does not answer."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rae_auto._version import __version__
from rae_auto.daemon.commands import Command, StopFunction, stop_as_requested, with_arguments


class EarlyCommands:
    """Answers who asks for the state of a daemon that is starting, or stops it."""

    def __init__(self, directory: Path, config: Path, stop: StopFunction) -> None:
        self._directory = directory
        self._config = config
        self._stop = stop
        self._started_at = datetime.now(UTC)

    def table(self) -> dict[str, Command]:
        """Return the commands by name."""
        return {
            "ping": with_arguments(self.ping),
            "status": with_arguments(self.status),
            "health": with_arguments(self.health),
            "metrics": with_arguments(self.health),
            "stop": with_arguments(self.stop, "now", "leave_running"),
        }

    async def ping(self, _: Mapping[str, Any]) -> Any:
        """Return the pid, the version and the configuration of the daemon."""
        return {"pid": os.getpid(), "version": __version__, "config": str(self._config)}

    async def status(self, _: Mapping[str, Any]) -> Any:
        """Return the state of the daemon, as far as it is known."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self._started_at.isoformat(),
            "state_directory": str(self._directory),
            "config": str(self._config),
            "state": "starting",
            "enabled": True,
            "disabled_by": None,
            "jobs": 0,
            "paused": [],
            "pauses": {},
            "skips": [],
            "disabled": [],
            "failed": [],
            "overdue": [],
            "running": [],
            "waiting": [],
            "next": [],
            "problems": ["the daemon is still starting; see its log for the cause"],
        }

    async def health(self, _: Mapping[str, Any]) -> Any:
        """Return that the daemon is starting."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self._started_at.isoformat(),
            "starting": True,
        }

    async def stop(self, arguments: Mapping[str, Any]) -> Any:
        """Give up the start."""
        return await stop_as_requested(self._stop, arguments)
