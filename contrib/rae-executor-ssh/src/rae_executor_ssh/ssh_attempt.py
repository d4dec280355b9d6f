"""An attempt on a host, whose start is known once the host has confirmed it.

A request may be on its way when the line breaks. Whether it has arrived is only known when there is a line again: until
then the run is `starting`, not `running`, with the reason `unconfirmed`. Its times count from the start on the host.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rae_auto.api import Assignment, NeverStarted
from rae_auto.model.run import QueuePlace, Result
from rae_executor_ssh.host_link import HostLink
from rae_plugins.executors.remote.attempt import RemoteAttempt


class SshAttempt(RemoteAttempt):
    """An attempt on a host."""

    def __init__(self, line: HostLink, assignment: Assignment, request: Mapping[str, Any] | None) -> None:
        super().__init__(line, assignment, request)
        self._is_unconfirmed = False
        self._started_at: float | None = None
        """When the host started it, by this machine's monotonic clock; None while that is not known."""

    @property
    def queue(self) -> QueuePlace | None:
        self._is_unconfirmed = not self.known.is_set()
        return QueuePlace(self._line.name, "an answer", may_have_started=True) if self._is_unconfirmed else None

    async def leave_queue(self) -> timedelta | None:
        await self.known.wait()
        if self.has_ended and isinstance(self.outcome, NeverStarted):
            return None
        return timedelta(seconds=0.0 if self._started_at is None else time.monotonic() - self._started_at)

    def handle_report(self, report: Mapping[str, Any]) -> None:
        """Note when it was started."""
        if self._started_at is None and "age" in report:
            self._started_at = time.monotonic() - report["age"]
        super().handle_report(report)

    def to_result(self, record: Mapping[str, Any], *, is_past: bool) -> Result:
        """Return the result; that of an unconfirmed attempt may be of the past."""
        return super().to_result(record, is_past=is_past or (self._is_unconfirmed and not self.known.is_set()))
