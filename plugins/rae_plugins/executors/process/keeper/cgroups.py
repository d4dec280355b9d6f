"""Control groups, version 2, where this user may create them: the kernel then counts and bounds a whole tree.

Only jobs with limits on their tree get a group: to enter one before the program begins takes a true fork instead of a
vfork, which costs more than the start itself. Controllers can be enabled only for the children of a group in which no
process lives ("no internal processes"), so keeper and daemon first move into a leaf beside the jobs' groups.

https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rae_plugins.executors.process.keeper.procfs import may_token_live, own_token

LEAF_NAME = "rae-auto"
JOB_PREFIX = "rae-job-"
CONTROLLERS = {"memory": "memory", "processes": "pids"}
"""Controller that enforces each limit."""

_LIMIT_FILES = {"memory": "memory.max", "processes": "pids.max"}


def find_own_directory() -> str | None:
    """Return the directory of this process's group, if it may create groups in there."""
    try:
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split(" - ") for line in file]
        with open("/proc/self/cgroup") as file:
            path = next(line[3:].strip() for line in file if line.startswith("0::"))
    except (OSError, StopIteration):
        return None
    for mount, kind in mounts:
        root, point = mount.split()[3:5]
        if kind.startswith("cgroup2 ") and path.startswith(root):
            inside = path[len(root) :] if root != "/" else path
            own = os.path.normpath(f"{point}/{inside}")
            own = os.path.dirname(own) if os.path.basename(own) == LEAF_NAME else own
            return own if os.access(own, os.W_OK) and os.access(f"{own}/cgroup.procs", os.W_OK) else None
    return None


class Cgroup:
    """The control group of one job."""

    def __init__(self, path: str, limits: Mapping[str, Any], controllers: set[str]) -> None:
        """Create it with these limits, as far as a controller enforces them. Errors: OSError."""
        self.path = path
        os.mkdir(path, 0o700)
        self.enforced: set[str] = set()
        for name, controller in CONTROLLERS.items():
            if limits.get(name) is not None and controller in controllers:
                _write(f"{path}/{_LIMIT_FILES[name]}", str(limits[name]))
                self.enforced.add(name)
        if "memory" in self.enforced:
            # A job that exceeds its memory is killed as a whole, and not moved to swap first.
            with suppress(OSError):
                _write(f"{path}/memory.oom.group", "1")
            with suppress(OSError):
                _write(f"{path}/memory.swap.max", "0")

    def pids(self) -> list[int]:
        """Return the pids of its processes."""
        return read_pids(self.path)

    def kill(self) -> None:
        """Kill all of it at once (Linux 5.14); before that, its processes are killed one by one."""
        with suppress(OSError):
            _write(f"{self.path}/cgroup.kill", "1")

    def exceeded_limit(self) -> str | None:
        """Return the name of the limit that the kernel enforced."""
        if self._read_count("memory.events", "oom_kill"):
            return "memory"
        return "processes" if self._read_count("pids.events", "max") else None

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes that were ever in it."""
        return self._read_count("cpu.stat", "usage_usec") / 1e6

    def peak_bytes(self) -> int:
        """Return the most memory it used; 0 where that isn't counted."""
        with suppress(OSError, ValueError), open(f"{self.path}/memory.peak") as file:
            return int(file.read())
        return 0

    def remove(self) -> None:
        """Remove it, if it is empty."""
        with suppress(OSError):
            os.rmdir(self.path)

    def _read_count(self, file: str, name: str) -> int:
        with suppress(OSError, ValueError), open(f"{self.path}/{file}") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
        return 0


class CgroupFactory:
    """Creates control groups for jobs, where that is possible."""

    def __init__(self, own_directory: str | None) -> None:
        self.own_directory = own_directory
        self.controllers: set[str] = set()
        if own_directory is not None:
            _remove_stale_groups(own_directory)
            self.controllers = _enable_controllers(own_directory)

    def create(self, name: str, limits: Mapping[str, Any]) -> Cgroup | None:
        """Create a group for a job, if it has limits that need one and the machine allows it."""
        tree_limits = ("memory", "processes", "cpu_time")
        if self.own_directory is None or not any(limits.get(key) is not None for key in tree_limits):
            return None
        try:
            return Cgroup(f"{self.own_directory}/{JOB_PREFIX}{own_token()}-{name}", limits, self.controllers)
        except OSError:
            return None


def available_controllers(own_directory: str) -> set[str]:
    """Return the controllers that are, or can be, enabled for groups in this directory."""
    if _has_only_us(own_directory) or read_controllers(f"{own_directory}/cgroup.subtree_control"):
        return read_controllers(f"{own_directory}/cgroup.controllers")
    return set()


def read_controllers(path: str) -> set[str]:
    """Return the controllers named in a file, as far as they enforce one of our limits."""
    try:
        with open(path) as file:
            return set(file.read().split()) & set(CONTROLLERS.values())
    except OSError:
        return set()


def read_pids(path: str) -> list[int]:
    """Return the processes of a group and of the groups within."""
    pids: list[int] = []
    for directory, _, files in os.walk(path):
        if "cgroup.procs" in files:
            with suppress(OSError, ValueError), open(f"{directory}/cgroup.procs") as file:
                pids.extend(int(pid) for pid in file.read().split())
    return pids


def _has_only_us(own_directory: str) -> bool:
    """Return whether only daemon and keeper live in the group itself; the root group may have other processes."""
    if not os.path.exists(f"{own_directory}/cgroup.type"):
        return True
    with suppress(OSError, ValueError), open(f"{own_directory}/cgroup.procs") as file:
        return {int(pid) for pid in file.read().split()} <= {os.getpid(), os.getppid()}
    return False


def _enable_controllers(own_directory: str) -> set[str]:
    """Enable the missing controllers for groups in this directory; return those that are enabled."""
    enabled_path = f"{own_directory}/cgroup.subtree_control"
    missing = read_controllers(f"{own_directory}/cgroup.controllers") - read_controllers(enabled_path)
    if missing and _has_only_us(own_directory):
        with suppress(OSError):
            if os.path.exists(f"{own_directory}/cgroup.type"):
                os.makedirs(f"{own_directory}/{LEAF_NAME}", 0o700, exist_ok=True)
                for pid in (os.getpid(), os.getppid()):
                    _write(f"{own_directory}/{LEAF_NAME}/cgroup.procs", str(pid))
            for name in sorted(missing):
                _write(enabled_path, f"+{name}")
    return read_controllers(enabled_path)


def _remove_stale_groups(own_directory: str) -> None:
    """Remove the groups of keepers that were killed; one with processes in it can't be removed and stays."""
    with suppress(OSError):
        for name in os.listdir(own_directory):
            keeper = name.removeprefix(JOB_PREFIX).partition("-")[0]
            if name.startswith(JOB_PREFIX) and not may_token_live(keeper):
                with suppress(OSError):
                    os.rmdir(f"{own_directory}/{name}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
