"""Limits of a job object that need polling: what the kernel has refused, and the CPU time of all modes."""

from collections.abc import Mapping
from typing import Any

from rae_plugins.executors.process.keeper.limits import CHECK_INTERVALS_SECONDS, LimitWatcher, format_exceeded
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.windows.job_object import JobObject


class JobObjectWatcher(LimitWatcher):
    """Looks at intervals at what a job object has counted, instead of at its processes."""

    def __init__(self, container: JobObject, limits: Mapping[str, Any], now: float) -> None:
        super().__init__(limits, now)
        self._container = container
        self._limits = limits

    def check(self, members: "list[ProcessInfo]", reaped_seconds: float, now: float) -> str | None:
        self._checks += 1
        self.next_check = now + CHECK_INTERVALS_SECONDS[min(self._checks, len(CHECK_INTERVALS_SECONDS) - 1)]
        if name := self._container.exceeded_limit():
            return format_exceeded(name, self._limits[name])
        if self.cpu_seconds is not None and self._container.cpu_seconds() > self.cpu_seconds:
            return format_exceeded("cpu_time", self.cpu_seconds)
        return None

    def check_at_exit(self, peak_bytes: int, cpu_seconds: float, keeper_peak_bytes: int) -> str | None:
        """Return one line on a limit that was exceeded between two looks; memory can't be, by what it counts."""
        if self.cpu_seconds is not None and cpu_seconds > self.cpu_seconds:
            return format_exceeded("cpu_time", self.cpu_seconds)
        return None
