"""A job in the keeper's hands: its process, its pipe, and how it came to its end."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from rae_plugins.executors.process.keeper.cgroups import Group
from rae_plugins.executors.process.keeper.limits import LimitWatcher, by_signal, exceeded
from rae_plugins.executors.process.keeper.output import Output
from rae_plugins.executors.process.keeper.procfs import Process
from rae_plugins.executors.process.keeper.termination import Termination, told


class Job:
    """A spawned process with all that came of it."""

    def __init__(
        self, request: Mapping[str, Any], process: "subprocess.Popen[bytes]", output: Output, pipe: int
    ) -> None:
        self.key: str = request["key"]
        self.run: str | None = request.get("run")
        self.path: str = request["output"]
        self.kill_after: float = request.get("kill_after", 5.0)
        self.orphans: str = request.get("orphans", "kill")
        self.limits: Mapping[str, Any] = request.get("limits") or {}
        self.process = process
        self.pid = process.pid
        self.output = output
        self.pipe = pipe
        self.tag: int | None = None
        self.group: Group | None = None
        self.reading = True
        self.status: int | None = None
        self.deadline: float | None = None
        """When its pipe is read no more, once its main process has ended."""
        self.ending: Termination | None = None
        self.watch: LimitWatcher | None = None
        self.error: str | None = None
        self.cpu = 0.0
        """Of those that were reaped here: the main process, with those that it reaped, and orphans."""
        self.peak = 0

    def watch_over(self, now: float) -> None:
        """Look at its tree from now on, for the limits that nobody else enforces."""
        bounded = self.group.bounded if self.group else set()
        watch = LimitWatcher({name: value for name, value in self.limits.items() if name not in bounded}, now)
        self.watch = watch if watch.needed else None

    def reaped(self, usage: resource.struct_rusage) -> None:
        """Count what one of its processes used."""
        self.cpu += usage.ru_utime + usage.ru_stime
        self.peak = max(self.peak, usage.ru_maxrss << (0 if sys.platform == "darwin" else 10))

    def due(self) -> float | None:
        """When there is something to do for it next."""
        if self.ending is not None and not self.ending.over:
            return self.ending.next_look
        if self.status is not None:
            return self.deadline
        return None if self.watch is None else self.watch.next_look

    def look(self, members: "list[Process]", now: float) -> bool:
        """Look at its tree; whether it exceeds a limit, and must be killed."""
        if self.watch is not None and self.error is None:
            self.error = self.watch.look(members, self.cpu, now)
        return self.error is not None

    def record(self, own_peak: int) -> dict[str, Any]:
        """How it ended; `own_peak` is the memory that the kernel counts as every child's from the start."""
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        # Popen must not wait for what is reaped by its keeper, be it later.
        self.process.returncode = code or 0
        self._count()
        error = self.error or self._exceeded(code, own_peak)
        if self.ending is not None and self.ending.escaped:
            error = "; ".join(filter(None, [error, told(self.ending.escaped)]))
        return {
            "exit_code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "error": error,
            "cpu": round(self.cpu, 6),
            "memory": self.peak or None,
            "ended_at": time.time(),
        }

    def _count(self) -> None:
        if self.group is not None:
            self.cpu = max(self.cpu, self.group.cpu())
            self.peak = max(self.peak, self.group.peak())
        if self.watch is not None:
            self.peak = max(self.peak, self.watch.peak)

    def _exceeded(self, code: int | None, own_peak: int) -> str | None:
        if self.group is not None and (name := self.group.exceeded()):
            return exceeded(name, self.limits[name])
        if self.watch is not None and (error := self.watch.at_the_end(self.peak, self.cpu, own_peak)):
            return error
        if not code:
            return None
        # A shell tells of the signal of its last command in its own exit code.
        return by_signal(-code if code < 0 else code - 128 if code > 128 else None, self.limits)
