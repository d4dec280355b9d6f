"""Limits of a job: set on its process before its program begins, and watched over while it runs.

On one process the kernel enforces them by itself; what a tree uses in sum is looked at from /proc every now and then,
or counted by a cgroup where there is one. All of it is done only for jobs that have such limits.
"""

import math
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rae_plugins.executors.process.keeper.procfs import PAGE, PROC, Process

if os.name == "posix":
    import resource

Step = tuple[str, Callable[[], object]]

LOOKS = (0.05, 0.1, 0.25)
"""Seconds between looks at a tree: the first ones come quickly."""

_IOPRIO_SET = {"x86_64": 251, "i686": 289, "aarch64": 30, "riscv64": 30, "armv7l": 314, "ppc64le": 273, "s390x": 282}


def ioprio_call() -> int | None:
    """The number of ioprio_set(2) on this machine, which no library has a function for."""
    return _IOPRIO_SET.get(os.uname().machine) if sys.platform == "linux" else None


def preparation(limits: Mapping[str, Any], group: str | None) -> Callable[[], None] | None:
    """What a new process does to itself before its program begins; None where that is nothing."""
    steps = _steps(limits, group)
    if not steps:
        return None
    best_effort = limits.get("best_effort", False)

    def prepare() -> None:
        for name, step in steps:
            try:
                step()
            except (OSError, ValueError) as error:
                if not best_effort:
                    # Of an exception in here its parent learns no more than that there was one.
                    os.write(2, f"{name} can't be set: {error}".encode())
                    raise

    return prepare


def _steps(limits: Mapping[str, Any], group: str | None) -> list[Step]:
    steps: list[Step] = []

    def bound(name: str, what: int, soft: int, hard: int) -> None:
        steps.append((f"limit {name}", lambda: resource.setrlimit(what, (soft, hard))))

    if group is not None:
        steps.append(("its cgroup", lambda: _enter(group)))
    if (cpu := limits.get("cpu_time")) is not None:
        # Where the tree is watched over, this is for the time between two looks.
        seconds = math.ceil(cpu) + (sys.platform == "linux")
        bound("cpu_time", resource.RLIMIT_CPU, seconds, seconds + 1)
    if (files := limits.get("open_files")) is not None:
        bound("open_files", resource.RLIMIT_NOFILE, files, files)
    if (size := limits.get("file_size")) is not None:
        bound("file_size", resource.RLIMIT_FSIZE, size, size)
    if (nice := limits.get("nice")) is not None:
        steps.append(("limit nice", lambda: os.nice(nice)))
    if (ionice := limits.get("ionice")) is not None:
        steps.append(("limit ionice", _ioprio(ionice)))
    return steps


def _enter(group: str) -> None:
    with open(f"{group}/cgroup.procs", "w") as file:
        file.write("0")


def _ioprio(wanted: "int | str") -> Callable[[], None]:
    """Idle, or best-effort at a level: ioprio_set(2)."""
    import ctypes

    idle, best_effort, this_process = 3 << 13, 2 << 13, 1
    value = idle if wanted == "idle" else best_effort | int(wanted)
    number, libc = ioprio_call(), ctypes.CDLL(None, use_errno=True)

    def set_it() -> None:
        if number is None:
            raise OSError(f"not on {os.uname().machine}")
        if libc.syscall(number, this_process, 0, value):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return set_it


class LimitWatcher:
    """What a tree uses, against its limits."""

    def __init__(self, limits: Mapping[str, Any], now: float) -> None:
        self.memory: int | None = limits.get("memory")
        self.cpu: float | None = limits.get("cpu_time")
        self.processes: int | None = limits.get("processes")
        self.peak = 0
        self.files = 0
        """The most that was seen of pages that belong to files: the kernel can have them back at any time."""
        self._looks = 0
        self.next_look = now + LOOKS[0]

    @property
    def needed(self) -> bool:
        """Whether there is a limit to watch over."""
        return (self.memory, self.cpu, self.processes) != (None, None, None)

    def look(self, members: "list[Process]", reaped: float, now: float) -> str | None:
        """What is exceeded; `reaped` is the time on the processor of those that are gone."""
        self._looks += 1
        self.next_look = now + LOOKS[min(self._looks, len(LOOKS) - 1)]
        alive = [process for process in members if not process.dead]
        if self.processes is not None and sum(process.threads for process in alive) > self.processes:
            return exceeded("processes", self.processes)
        if self.cpu is not None and reaped + sum(process.cpu for process in members) > self.cpu:
            return exceeded("cpu_time", self.cpu)
        if self.memory is not None:
            self.files = max(self.files, sum(_shared(process.pid) for process in alive))
            used = sum(process.resident for process in alive)
            if used > self.memory:
                # Only now the costly look: what several share counts once, and what files lend doesn't count.
                used = sum(_proportional(process) for process in alive)
            self.peak = max(self.peak, used)
            if used > self.memory:
                return exceeded("memory", self.memory)
        return None

    def at_the_end(self, peak: int, cpu: float, own: int) -> str | None:
        """What was exceeded too quickly to be seen; `own` is what the kernel wrongly counts as a process's memory."""
        if self.memory is not None and peak > own and peak - self.files > self.memory:
            return exceeded("memory", self.memory)
        return exceeded("cpu_time", self.cpu) if self.cpu is not None and cpu > self.cpu else None


def by_signal(number: int | None, limits: Mapping[str, Any]) -> str | None:
    """The limit for which the kernel sends this signal."""
    names = {int(signal.SIGXCPU): "cpu_time", int(signal.SIGXFSZ): "file_size"}
    name = names.get(number) if number else None
    return exceeded(name, limits[name]) if name and limits.get(name) is not None else None


def exceeded(name: str, value: float) -> str:
    """One line that names a limit."""
    if name in ("memory", "file_size"):
        return f"{name} limit of {_size(int(value))} exceeded"
    return f"{name} limit of {value:g}{'s' if name == 'cpu_time' else ''} exceeded"


def _size(value: int) -> str:
    for shift, unit in ((40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")):
        if value and not value % (1 << shift):
            return f"{value >> shift}{unit}"
    return f"{value}B"


def _shared(pid: int) -> int:
    try:
        with open(f"{PROC}/{pid}/statm", "rb") as file:
            return int(file.read().split()[2]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _proportional(process: Process) -> int:
    """Its share of anonymous and shared memory; its resident size where the kernel doesn't tell."""
    try:
        with open(f"{PROC}/{process.pid}/smaps_rollup", "rb") as file:
            parts = dict(line.split(b":", 1) for line in file.read().splitlines()[1:])
        return sum(int(parts[name].split()[0]) << 10 for name in (b"Pss_Anon", b"Pss_Shmem"))
    except (OSError, ValueError, KeyError, IndexError):
        return process.resident
