"""Control groups, version 2, where this user may make them: the kernel itself then counts and bounds a tree.

Only jobs with limits on their tree get a group: to enter one takes a true fork, which costs more than the start itself.
A controller can be had only where no process lives beside the groups: keeper and daemon then move into a leaf.
https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

LEAF = "rae-auto"
PREFIX = "rae-job-"
CONTROLLERS = {"memory": "memory", "processes": "pids"}
"""What bounds a limit."""


def own_directory() -> str | None:
    """The directory of this process's group, if it may make groups in there."""
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
            own = os.path.dirname(own) if os.path.basename(own) == LEAF else own
            return own if os.access(own, os.W_OK) and os.access(f"{own}/cgroup.procs", os.W_OK) else None
    return None


class Group:
    """The group of one job."""

    def __init__(self, path: str, limits: Mapping[str, Any], controllers: set[str]) -> None:
        """Make it; OSError where that can't be."""
        self.path = path
        os.mkdir(path, 0o700)
        self.bounded = set()
        bounds = {"memory": ("memory.max", "memory"), "processes": ("pids.max", "pids")}
        for name, (file, controller) in bounds.items():
            if limits.get(name) is not None and controller in controllers:
                _write(f"{path}/{file}", str(limits[name]))
                self.bounded.add(name)
        if "memory" in self.bounded:
            # What is over goes as a whole, and nothing of it is moved to swap first.
            with suppress(OSError):
                _write(f"{path}/memory.oom.group", "1")
            with suppress(OSError):
                _write(f"{path}/memory.swap.max", "0")

    def pids(self) -> list[int]:
        """Who is in it."""
        return pids_in(self.path)

    def kill(self) -> None:
        """Kill all of it at once (Linux 5.14); before that, its processes are killed one by one."""
        with suppress(OSError):
            _write(f"{self.path}/cgroup.kill", "1")

    def exceeded(self) -> str | None:
        """The limit that the kernel refused to exceed."""
        if self._count("memory.events", "oom_kill"):
            return "memory"
        return "processes" if self._count("pids.events", "max") else None

    def cpu(self) -> float:
        """Seconds on the processor, of all that were ever in it."""
        return self._count("cpu.stat", "usage_usec") / 1e6

    def peak(self) -> int:
        """The most memory that it had, in bytes; 0 where that isn't counted."""
        with suppress(OSError, ValueError), open(f"{self.path}/memory.peak") as file:
            return int(file.read())
        return 0

    def remove(self) -> None:
        """Take it away, if it is empty."""
        with suppress(OSError):
            os.rmdir(self.path)

    def _count(self, file: str, name: str) -> int:
        with suppress(OSError, ValueError), open(f"{self.path}/{file}") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)
        return 0


class Groups:
    """Makes groups, if that can be."""

    def __init__(self, own: str | None) -> None:
        self.own = own
        self.controllers: set[str] = set()
        if own is not None:
            _clear(own)
            self.controllers = _enabled(own)

    def make(self, name: str, limits: Mapping[str, Any]) -> Group | None:
        """A group for a job, if it has limits for which there should be one."""
        if self.own is None or not any(limits.get(key) is not None for key in ("memory", "processes", "cpu_time")):
            return None
        try:
            return Group(f"{self.own}/{PREFIX}{os.getpid()}-{name}", limits, self.controllers)
        except OSError:
            return None


def controllers_of(own: str) -> set[str]:
    """The controllers that are, or can be, enabled for groups in there."""
    if _is_free(own) or wanted_in(f"{own}/cgroup.subtree_control"):
        return wanted_in(f"{own}/cgroup.controllers")
    return set()


def wanted_in(file: str) -> set[str]:
    """Those of the controllers that are of use and named in the file."""
    try:
        with open(file) as controllers:
            return set(controllers.read().split()) & set(CONTROLLERS.values())
    except OSError:
        return set()


def pids_in(path: str) -> list[int]:
    """The processes of a group and those within."""
    found: list[int] = []
    for place, _, files in os.walk(path):
        if "cgroup.procs" in files:
            with suppress(OSError, ValueError), open(f"{place}/cgroup.procs") as file:
                found.extend(int(pid) for pid in file.read().split())
    return found


def _is_free(own: str) -> bool:
    """Whether nobody but the daemon and the keeper lives in the group itself; the root may be lived in."""
    if not os.path.exists(f"{own}/cgroup.type"):
        return True
    with suppress(OSError, ValueError), open(f"{own}/cgroup.procs") as file:
        return {int(pid) for pid in file.read().split()} <= {os.getpid(), os.getppid()}
    return False


def _enabled(own: str) -> set[str]:
    """The controllers for groups in there, after an attempt to enable those that lack."""
    missing = wanted_in(f"{own}/cgroup.controllers") - wanted_in(f"{own}/cgroup.subtree_control")
    if missing and _is_free(own):
        with suppress(OSError):
            if os.path.exists(f"{own}/cgroup.type"):
                os.makedirs(f"{own}/{LEAF}", 0o700, exist_ok=True)
                for pid in (os.getpid(), os.getppid()):
                    _write(f"{own}/{LEAF}/cgroup.procs", str(pid))
            for name in sorted(missing):
                _write(f"{own}/cgroup.subtree_control", f"+{name}")
    return wanted_in(f"{own}/cgroup.subtree_control")


def _clear(own: str) -> None:
    """Remove what keepers that were killed left behind; what is lived in refuses."""
    with suppress(OSError):
        for name in os.listdir(own):
            keeper = name.removeprefix(PREFIX).partition("-")[0]
            if name.startswith(PREFIX) and not os.path.exists(f"/proc/{keeper}"):
                with suppress(OSError):
                    os.rmdir(f"{own}/{name}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
