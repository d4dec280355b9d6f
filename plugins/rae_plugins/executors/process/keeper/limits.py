"""Limits of a job: set on its process before its program begins, and checked while it runs.

The kernel enforces limits on a single process by itself. What a tree uses in total is read from /proc at intervals, or
counted by a cgroup where there is one. All of this is done only for jobs that have such limits.
"""

import math
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rae_plugins.executors.process.keeper.procfs import PAGE_BYTES, PROC, ProcessInfo

PreexecStep = tuple[str, Callable[[], object]]

CHECK_INTERVALS_SECONDS = (0.05, 0.1, 0.25)
"""Intervals between checks of a tree: the first ones are short."""

_IOPRIO_SET = {"x86_64": 251, "i686": 289, "aarch64": 30, "riscv64": 30, "armv7l": 314, "ppc64le": 273, "s390x": 282}


def find_ioprio_call() -> int | None:
    """Return the number of ioprio_set(2) on this machine, for which no library has a function."""
    return _IOPRIO_SET.get(os.uname().machine) if sys.platform == "linux" else None


def build_preexec(
    limits: Mapping[str, Any], cgroup_path: str | None, switch_user: Callable[[], None] | None = None
) -> Callable[[], None] | None:
    """Return a function that a new process calls before its program begins; None where it has nothing to set.

    It becomes another user last, because some limits need the rights of root. Without that it doesn't begin.
    """
    steps = _preexec_steps(limits, cgroup_path) if limits else []
    if not steps and switch_user is None:
        return None
    best_effort = limits.get("best_effort", False)

    def preexec() -> None:
        for name, step in steps:
            try:
                step()
            except (OSError, ValueError) as error:
                if not best_effort:
                    # An exception in here reaches the parent without its text, so that goes through the output pipe.
                    os.write(2, f"{name} cannot be set: {error}".encode())
                    raise
        if switch_user is not None:
            try:
                switch_user()
            except OSError as error:
                os.write(2, f"the user cannot be set: {error}".encode())
                raise

    return preexec


def _preexec_steps(limits: Mapping[str, Any], cgroup_path: str | None) -> list[PreexecStep]:
    import resource  # not at the top: the module can then be imported on Windows

    steps: list[PreexecStep] = []

    def set_limit(name: str, number: int, soft: int, hard: int) -> None:
        steps.append((f'limit "{name}"', lambda: resource.setrlimit(number, (soft, hard))))

    if cgroup_path is not None:
        steps.append(("its cgroup", lambda: _enter_cgroup(cgroup_path)))
    if (cpu_seconds := limits.get("cpu_time")) is not None:
        # Where the tree is checked too, this one is for the time between two checks.
        seconds = math.ceil(cpu_seconds) + (sys.platform == "linux")
        set_limit("cpu_time", resource.RLIMIT_CPU, seconds, seconds + 1)
    if (open_files := limits.get("open_files")) is not None:
        set_limit("open_files", resource.RLIMIT_NOFILE, open_files, open_files)
    if (file_size := limits.get("file_size")) is not None:
        set_limit("file_size", resource.RLIMIT_FSIZE, file_size, file_size)
    if (nice := limits.get("nice")) is not None:
        steps.append(('limit "nice"', lambda: os.nice(nice)))
    if (ionice := limits.get("ionice")) is not None:
        steps.append(('limit "ionice"', _ioprio_setter(ionice)))
    return steps


def _enter_cgroup(path: str) -> None:
    with open(f"{path}/cgroup.procs", "w") as file:
        file.write("0")


def _ioprio_setter(priority: "int | str") -> Callable[[], None]:
    """Return a function that sets the I/O priority: "idle", or best-effort at a level. Values: ioprio_set(2)."""
    import ctypes

    idle, best_effort, this_process = 3 << 13, 2 << 13, 1
    value = idle if priority == "idle" else best_effort | int(priority)
    number, libc = find_ioprio_call(), ctypes.CDLL(None, use_errno=True)

    def set_ioprio() -> None:
        if number is None:
            raise OSError(f"not supported on {os.uname().machine}")
        if libc.syscall(number, this_process, 0, value):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return set_ioprio


class LimitWatcher:
    """Compares what a tree uses with its limits."""

    def __init__(self, limits: Mapping[str, Any], now: float) -> None:
        self.memory_bytes: int | None = limits.get("memory")
        self.cpu_seconds: float | None = limits.get("cpu_time")
        self.processes: int | None = limits.get("processes")
        self.peak_bytes = 0
        self.file_bytes = 0
        """The most pages of files that were seen: the kernel can take these back at any time."""
        self._checks = 0
        self.next_check = now + CHECK_INTERVALS_SECONDS[0]

    @property
    def is_needed(self) -> bool:
        """There is a limit to check."""
        return (self.memory_bytes, self.cpu_seconds, self.processes) != (None, None, None)

    def check(self, members: "list[ProcessInfo]", reaped_seconds: float, now: float) -> str | None:
        """Return one line on the limit that is exceeded; `reaped_seconds` is the CPU time of reaped processes."""
        self._checks += 1
        self.next_check = now + CHECK_INTERVALS_SECONDS[min(self._checks, len(CHECK_INTERVALS_SECONDS) - 1)]
        alive = [process for process in members if not process.is_dead]
        if self.processes is not None and sum(process.threads for process in alive) > self.processes:
            return format_exceeded("processes", self.processes)
        used_seconds = reaped_seconds + sum(process.cpu_seconds for process in members)
        if self.cpu_seconds is not None and used_seconds > self.cpu_seconds:
            return format_exceeded("cpu_time", self.cpu_seconds)
        if self.memory_bytes is not None:
            self.file_bytes = max(self.file_bytes, sum(_read_shared_bytes(process.pid) for process in alive))
            used_bytes = sum(process.resident_bytes for process in alive)
            if used_bytes > self.memory_bytes:
                # Only now the expensive reading, which counts shared pages once and pages of files not at all.
                used_bytes = sum(_read_proportional_bytes(process) for process in alive)
            self.peak_bytes = max(self.peak_bytes, used_bytes)
            if used_bytes > self.memory_bytes:
                return format_exceeded("memory", self.memory_bytes)
        return None

    def check_at_exit(self, peak_bytes: int, cpu_seconds: float, keeper_peak_bytes: int) -> str | None:
        """Return one line on a limit that was exceeded between two checks.

        A peak up to `keeper_peak_bytes` says nothing: the kernel counts the keeper's memory as its child's.
        """
        if (
            self.memory_bytes is not None
            and peak_bytes > keeper_peak_bytes
            and peak_bytes - self.file_bytes > self.memory_bytes
        ):
            return format_exceeded("memory", self.memory_bytes)
        if self.cpu_seconds is not None and cpu_seconds > self.cpu_seconds:
            return format_exceeded("cpu_time", self.cpu_seconds)
        return None


def explain_signal(number: int | None, limits: Mapping[str, Any]) -> str | None:
    """Return one line on the limit for which the kernel sends this signal, if the job has that limit."""
    names: dict[int, str] = {int(signal.SIGXCPU): "cpu_time", int(signal.SIGXFSZ): "file_size"}
    name = names.get(number) if number else None
    return format_exceeded(name, limits[name]) if name and limits.get(name) is not None else None


def format_exceeded(name: str, value: float) -> str:
    """Return one line that names an exceeded limit and its value."""
    if name in ("memory", "file_size"):
        return f"{name} limit of {_format_size(int(value))} exceeded"
    return f"{name} limit of {value:g}{'s' if name == 'cpu_time' else ''} exceeded"


def _format_size(value: int) -> str:
    for shift, unit in ((40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")):
        if value and not value % (1 << shift):
            return f"{value >> shift}{unit}"
    return f"{value}B"


def _read_shared_bytes(pid: int) -> int:
    try:
        with open(f"{PROC}/{pid}/statm", "rb") as file:
            return int(file.read().split()[2]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def _read_proportional_bytes(process: ProcessInfo) -> int:
    """Return its share of anonymous and shared memory; its resident size where the kernel doesn't say."""
    try:
        with open(f"{PROC}/{process.pid}/smaps_rollup", "rb") as file:
            parts = dict(line.split(b":", 1) for line in file.read().splitlines()[1:])
        return sum(int(parts[name].split()[0]) << 10 for name in (b"Pss_Anon", b"Pss_Shmem"))
    except (OSError, ValueError, KeyError, IndexError):
        return process.resident_bytes
