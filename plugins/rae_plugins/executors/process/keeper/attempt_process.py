"""A job of the keeper: its process, its pipe, what it used, and how it ended."""

import os
import time
from collections.abc import Mapping
from typing import Any, Protocol

from rae_plugins.executors.process.keeper.files.output import CappedOutput
from rae_plugins.executors.process.keeper.limits import LimitWatcher, explain_signal, format_exceeded
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.termination import Termination, describe_orphans, describe_survivors
from rae_plugins.executors.process.keeper.windows.exit_status import explain_status

DEFAULT_KILL_AFTER_SECONDS = 5.0

OUTPUT_DRAIN_SECONDS = 0.5
"""Time for which a pipe is still read after its job has ended: a descendant may hold it open for ever."""


class TreeContainer(Protocol):
    """Processes that the kernel counts and bounds as one: a control group (Linux) or a job object (Windows)."""

    path: str
    """Its name, by which another process finds it."""
    enforced: set[str]
    """The limits that the kernel enforces, so that they need no watching."""

    def pids(self) -> list[int]:
        """Return the pids of its processes."""
        ...

    def kill(self) -> None:
        """End all of its processes at once, if it can."""
        ...

    def exceeded_limit(self) -> str | None:
        """Return the name of the limit that the kernel has enforced."""
        ...

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes that were ever in it."""
        ...

    def peak_bytes(self) -> int:
        """Return the most memory that it used; 0 where that isn't counted."""
        ...

    def remove(self) -> None:
        """Release it; processes in it run on."""
        ...


class AttemptProcess:
    """The main process of an attempt, with its output, its limits and the end of its tree."""

    def __init__(
        self,
        request: Mapping[str, Any],
        pid: int,
        process: Any,
        output: CappedOutput,
        pipes: "tuple[int, ...]",
    ) -> None:
        """Take over a process that has been spawned: `process` is what its platform knows it by, beside its pid."""
        self.key: str = request["key"]
        self.run: str | None = request.get("run")
        self.path: str = request["output"]
        self.kill_after_seconds: float = request.get("kill_after", DEFAULT_KILL_AFTER_SECONDS)
        self.private: str | None = request.get("private")
        self.orphans: str = request.get("orphans", "kill")
        self.limits: Mapping[str, Any] = request.get("limits") or {}
        self.process = process
        self.pid = pid
        self.output = output
        self.pipes = list(pipes)
        """The pipe of its output, and that of its standard error if it is watched, until they are closed."""
        self.error_pipe = pipes[1] if len(pipes) > 1 else None
        self.spawned_at: float | None = None
        """When it was spawned, in seconds since the epoch."""
        self.tag: int | None = None
        self.container: TreeContainer | None = None
        self.code: int | None = None
        """Its exit code, or the negative number of the signal that ended it, once it has ended."""
        self.exited_at: float | None = None
        """When that was seen."""
        self.leaves_processes = False
        """True once it has ended, and processes that it left behind are allowed to run on."""
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
        enforced = self.container.enforced if self.container else set()
        watch = LimitWatcher({name: value for name, value in self.limits.items() if name not in enforced}, now)
        self.limit_watch = watch if watch.is_needed else None

    def add_usage(self, cpu_seconds: float, peak_bytes: int) -> None:
        """Add what one of its processes used, once that is reaped."""
        self.cpu_seconds += cpu_seconds
        self.peak_bytes = max(self.peak_bytes, peak_bytes)

    def note_end(self, code: int, now: float) -> None:
        """Note how its main process ended; what it printed last may still be in its pipes."""
        self.code = code
        self.exited_at = now
        self.drain_deadline = now + OUTPUT_DRAIN_SECONDS

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which it next needs attention, if any."""
        if self.termination is not None and not self.termination.is_over:
            return self.termination.next_check
        if self.code is not None:
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
        code = self.code
        self._add_observed_usage()
        error = self.error or self._explain_limit(code, keeper_peak_bytes)
        if self.termination is not None and self.termination.survivors:
            error = "; ".join(filter(None, [error, describe_survivors(self.termination.survivors)]))
        record = {
            "exit_code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "error": error,
            "remark": self._describe_orphans(),
            "stderr": self.output.first_error_line(),
            "cpu": round(self.cpu_seconds, 6),
            "memory": self.peak_bytes or None,
            "started_at": self.spawned_at,
            "ended_at": time.time(),
        }
        tree = self._describe_tree(time.monotonic())
        return {**record, "tree": tree} if tree else record

    def _describe_tree(self, now: float) -> dict[str, Any] | None:
        """Return how its other processes ended; None for the usual end, with the main one."""
        if self.termination is None:
            return {"left": True} if self.leaves_processes else None
        exited = {} if self.exited_at is None else {"exited": round(now - self.exited_at, 3)}
        return {**exited, **self.termination.describe(now)}

    def _describe_orphans(self) -> str | None:
        if self.termination is None or not self.ends_orphans:
            return None
        survivors = {process.identity for process in self.termination.survivors}
        ended = [one for identity, one in self.termination.signalled.items() if identity not in survivors]
        return describe_orphans(ended) if ended else None

    def _add_observed_usage(self) -> None:
        if self.container is not None:
            self.cpu_seconds = max(self.cpu_seconds, self.container.cpu_seconds())
            self.peak_bytes = max(self.peak_bytes, self.container.peak_bytes())
        if self.limit_watch is not None:
            self.peak_bytes = max(self.peak_bytes, self.limit_watch.peak_bytes)

    def _explain_limit(self, code: int | None, keeper_peak_bytes: int) -> str | None:
        if self.container is not None and (name := self.container.exceeded_limit()):
            return format_exceeded(name, self.limits[name])
        if self.limit_watch is not None and (
            error := self.limit_watch.check_at_exit(self.peak_bytes, self.cpu_seconds, keeper_peak_bytes)
        ):
            return error
        if not code:
            return None
        if os.name == "nt":
            return explain_status(code)
        # A shell reports the signal that ended its last command as exit code 128 + N.
        return explain_signal(-code if code < 0 else code - 128 if code > 128 else None, self.limits)
