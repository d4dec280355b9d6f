"""A job of the keeper: its process, its pipe, what it used, and how it ended."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from rae_plugins.executors.process.keeper.cgroups import Cgroup
from rae_plugins.executors.process.keeper.limits import LimitWatcher, explain_signal, format_exceeded
from rae_plugins.executors.process.keeper.output import CappedOutput
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.termination import Termination, describe_orphans, describe_survivors

DEFAULT_KILL_AFTER_SECONDS = 5.0


class AttemptProcess:
    """The main process of an attempt, with its output, its limits and the end of its tree."""

    def __init__(
        self,
        request: Mapping[str, Any],
        process: "subprocess.Popen[bytes]",
        output: CappedOutput,
        pipes: "tuple[int, ...]",
    ) -> None:
        self.key: str = request["key"]
        self.run: str | None = request.get("run")
        self.path: str = request["output"]
        self.kill_after_seconds: float = request.get("kill_after", DEFAULT_KILL_AFTER_SECONDS)
        self.private: str | None = request.get("private")
        self.orphans: str = request.get("orphans", "kill")
        self.limits: Mapping[str, Any] = request.get("limits") or {}
        self.process = process
        self.pid = process.pid
        self.output = output
        self.pipes = list(pipes)
        """The pipe of its output, and that of its standard error if it is watched, until they are closed."""
        self.error_pipe = pipes[1] if len(pipes) > 1 else None
        self.tag: int | None = None
        self.cgroup: Cgroup | None = None
        self.status: int | None = None
        """Its status as waitpid(2) returns it, once it has ended."""
        self.drain_deadline: float | None = None
        """When its pipes are no longer read, once its main process has ended."""
        self.termination: Termination | None = None
        self.orphans_end_at: float | None = None
        """When the processes that it left behind are ended, unless they have ended by themselves until then."""
        self.ends_orphans = False
        """True once it has ended by itself and left processes behind, which are ended."""
        self.limit_watch: LimitWatcher | None = None
        self.error: str | None = None
        self.cpu_seconds = 0.0
        """CPU time of those reaped by the keeper: the main process, with those that it reaped, and orphans."""
        self.peak_bytes = 0

    def watch_limits(self, now: float) -> None:
        """Check its tree from now on, for the limits that nothing else enforces."""
        enforced = self.cgroup.enforced if self.cgroup else set()
        watch = LimitWatcher({name: value for name, value in self.limits.items() if name not in enforced}, now)
        self.limit_watch = watch if watch.is_needed else None

    def add_usage(self, usage: resource.struct_rusage) -> None:
        """Add what one of its processes used, once that is reaped."""
        self.cpu_seconds += usage.ru_utime + usage.ru_stime
        self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss << (0 if sys.platform == "darwin" else 10))

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which it next needs attention, if any."""
        if self.termination is not None and not self.termination.is_over:
            return self.termination.next_check
        if self.status is not None:
            deadlines = [at for at in (self.drain_deadline, self.orphans_end_at) if at is not None]
            return min(deadlines, default=None)
        return None if self.limit_watch is None else self.limit_watch.next_check

    def check_limits(self, members: "list[ProcessInfo]", now: float) -> bool:
        """Return whether its tree exceeds a limit and must be killed."""
        if self.limit_watch is not None and self.error is None:
            self.error = self.limit_watch.check(members, self.cpu_seconds, now)
        return self.error is not None

    def exit_record(self, keeper_peak_bytes: int) -> dict[str, Any]:
        """Return how it ended. The kernel counts the keeper's peak memory as every child's from its start."""
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        # Popen must not wait for a process that the keeper reaps itself, perhaps later.
        self.process.returncode = code or 0
        self._add_observed_usage()
        error = self.error or self._explain_limit(code, keeper_peak_bytes)
        if self.termination is not None and self.termination.survivors:
            error = "; ".join(filter(None, [error, describe_survivors(self.termination.survivors)]))
        return {
            "exit_code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "error": error,
            "remark": self._describe_orphans(),
            "stderr": self.output.first_error_line(),
            "cpu": round(self.cpu_seconds, 6),
            "memory": self.peak_bytes or None,
            "ended_at": time.time(),
        }

    def _describe_orphans(self) -> str | None:
        if self.termination is None or not self.ends_orphans:
            return None
        survivors = {process.identity for process in self.termination.survivors}
        ended = [one for identity, one in self.termination.signalled.items() if identity not in survivors]
        return describe_orphans(ended) if ended else None

    def _add_observed_usage(self) -> None:
        if self.cgroup is not None:
            self.cpu_seconds = max(self.cpu_seconds, self.cgroup.cpu_seconds())
            self.peak_bytes = max(self.peak_bytes, self.cgroup.peak_bytes())
        if self.limit_watch is not None:
            self.peak_bytes = max(self.peak_bytes, self.limit_watch.peak_bytes)

    def _explain_limit(self, code: int | None, keeper_peak_bytes: int) -> str | None:
        if self.cgroup is not None and (name := self.cgroup.exceeded_limit()):
            return format_exceeded(name, self.limits[name])
        if self.limit_watch is not None and (
            error := self.limit_watch.check_at_exit(self.peak_bytes, self.cpu_seconds, keeper_peak_bytes)
        ):
            return error
        if not code:
            return None
        # A shell reports the signal that ended its last command as exit code 128 + N.
        return explain_signal(-code if code < 0 else code - 128 if code > 128 else None, self.limits)
