"""The commands of a daemon whose start takes long, because its store can't be written or does not answer."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rae_auto._version import __version__
from rae_auto.api.shared_store import Standby
from rae_auto.daemon.commands import Command, StopFunction, stop_as_requested, with_arguments


class EarlyCommands:
    """Answers requests for the state of a daemon that is starting, and requests to stop it."""

    def __init__(self, directory: Path, config: Path, stop: StopFunction, *, timezone: str, max_parallel: int) -> None:
        self._directory = directory
        self._config = config
        self._stop = stop
        self._timezone = timezone
        self._max_parallel = max_parallel
        self._started_at = datetime.now(UTC)
        self._standby: Standby | None = None
        self._refusal: str | None = None

    def stand_by(self, why: Standby) -> str:
        """Note why this daemon stands by, and return it as the refusal of other requests."""
        self._standby = why
        if why.leader is None:
            self._refusal = f"this daemon waits for its store: {why.problem}"
        else:
            self._refusal = f"this daemon stands by; {why.leader.describe()} leads, so ask there"
        return self._refusal

    def take_over(self) -> None:
        """Note that this daemon stands by no more."""
        self._standby = self._refusal = None

    def table(self) -> dict[str, Command]:
        """Return the commands by name."""
        return {
            "ping": with_arguments(self.ping),
            "status": with_arguments(self.status, "local_times"),
            "health": with_arguments(self.health),
            "metrics": with_arguments(self.health),
            "stop": with_arguments(self.stop, "now", "leave_running"),
        }

    async def ping(self, _: Mapping[str, Any]) -> Any:
        """Return what it returns once the daemon has started, and why all else is refused, if it stands by."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "config": str(self._config),
            "timezone": self._timezone,
            "max_parallel": self._max_parallel,
            "refusal": self._refusal,
        }

    async def status(self, _: Mapping[str, Any]) -> Any:
        """Return the state of the daemon, as far as it is known."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self._started_at.isoformat(),
            "state_directory": str(self._directory),
            "config": str(self._config),
            "state": "starting" if self._standby is None else "standby",
            "leader": self._leader(),
            "silent_seconds": None if self._standby is None else self._standby.silent_seconds(),
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
            "problems": self._problems(),
        }

    def _leader(self) -> Mapping[str, Any] | None:
        if self._standby is None or (leader := self._standby.leader) is None:
            return None
        return {"node": leader.node, "host": leader.host, "pid": leader.pid, "since": leader.since.isoformat()}

    def _problems(self) -> list[str]:
        if self._standby is None:
            return ["the daemon is still starting; see its log for the cause"]
        return [] if self._standby.problem is None else [self._standby.problem]

    async def health(self, _: Mapping[str, Any]) -> Any:
        """Return that the daemon is starting."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self._started_at.isoformat(),
            "starting": True,
            "leader": self._leader(),
        }

    async def stop(self, arguments: Mapping[str, Any]) -> Any:
        """Give up the start."""
        return await stop_as_requested(self._stop, arguments)
