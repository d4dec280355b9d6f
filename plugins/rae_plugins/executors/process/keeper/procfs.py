"""Processes as the kernel describes them in /proc, and which of them belong to a job.

Theory. The keeper is a subreaper: a process of its jobs that loses its parent becomes the keeper's child. So everything
that is left of its jobs descends from the keeper, and each branch right below it starts with either the main process of
a job or an orphan. A branch belongs to one job as a whole. Which job an orphan belongs to is shown by marks that a
process can't easily lose, in this order:

- its tag: the soft limit on the bytes of POSIX message queues, which the keeper sets a little different for each job.
  Every child inherits it, over every exec, whatever becomes of session, environment and parent, and it costs nothing
  but some bytes of queues;
- its session, which is that of the main process unless it started another;
- RAE_RUN_ID in its environment, unless that was cleared.

Without a keeper, only session, parents and environment are left to go by.

Formats: proc(5), sections /proc/pid/stat, limits, environ.
"""

import os
import signal
from contextlib import suppress
from typing import NamedTuple

PROC = "/proc"
_RUN_ID_PREFIX = b"RAE_RUN_ID="
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

MAX_STAT_BYTES = 4096


class ProcessInfo(NamedTuple):
    """One line of /proc/PID/stat, proc(5).

    `ticks` is its start in clock ticks since boot. `cpu_seconds` includes the children that it has reaped.
    """

    pid: int
    name: str
    is_dead: bool
    parent: int
    session: int
    ticks: int
    cpu_seconds: float
    threads: int
    resident_bytes: int

    @property
    def identity(self) -> tuple[int, int]:
        """Pid and start time, which together are never used again within a boot."""
        return self.pid, self.ticks


ProcessTable = dict[int, ProcessInfo]


def read_process(pid: int) -> ProcessInfo | None:
    """Return the process with this pid, zombies included; None where there is none."""
    try:
        # Without a file object, which costs five system calls more.
        file = os.open(f"{PROC}/{pid}/stat", os.O_RDONLY)
        try:
            head, _, rest = os.read(file, MAX_STAT_BYTES).rpartition(b")")
        finally:
            os.close(file)
        fields = rest.split()
        return ProcessInfo(
            pid=pid,
            name=head.partition(b"(")[2].decode(errors="replace"),
            is_dead=fields[0] in (b"Z", b"X"),
            parent=int(fields[1]),
            session=int(fields[3]),
            ticks=int(fields[19]),
            cpu_seconds=sum(map(int, fields[11:15])) / _TICKS_PER_SECOND,
            threads=int(fields[17]),
            resident_bytes=int(fields[21]) * PAGE_BYTES,
        )
    except (OSError, IndexError, ValueError):
        return None


def read_start_ticks(pid: int) -> int | None:
    """Return the start of a process in clock ticks since boot; None where there is none."""
    try:
        file = os.open(f"{PROC}/{pid}/stat", os.O_RDONLY)
        try:
            line = os.read(file, MAX_STAT_BYTES)
        finally:
            os.close(file)
        return int(line[line.rindex(b")") :].split(None, 21)[20])
    except (OSError, IndexError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    """Return whether a process with this pid runs; a zombie doesn't."""
    process = read_process(pid)
    return process is not None and not process.is_dead


def read_all_processes() -> ProcessTable:
    """Return all processes by their pids, zombies included; none where there is no /proc."""
    try:
        pids = [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return {}
    return {pid: process for pid in pids if (process := read_process(pid)) is not None}


def collect_trees(roots: "list[ProcessInfo]", table: ProcessTable) -> "list[ProcessInfo]":
    """Return these processes and all their descendants, parents first."""
    children: dict[int, list[ProcessInfo]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found = {process.pid: process for process in roots}
    # Parents first: a parent that is signalled in this order doesn't first see its children die.
    collected = list(found.values())
    for process in collected:
        for child in children.get(process.pid, ()):
            if child.pid not in found:
                found[child.pid] = child
                collected.append(child)
    return collected


def list_child_pids() -> "list[int]":
    """Return the pids of this process's children, from the kernel's own list where it has one."""
    own_pid = os.getpid()
    try:
        file = os.open(f"{PROC}/self/task/{own_pid}/children", os.O_RDONLY)
        try:
            pids = b""
            while part := os.read(file, MAX_STAT_BYTES):
                pids += part
        finally:
            os.close(file)
        return [int(pid) for pid in pids.split()]
    except OSError:
        return [process.pid for process in read_all_processes().values() if process.parent == own_pid]


def own_token() -> str:
    """Return a word for this process in the names of files: its pid, and its start in clock ticks, where that is known.

    The pid alone may be that of another process later.
    """
    ticks = read_start_ticks(os.getpid()) if has_procfs() else None
    return f"{os.getpid()}" if ticks is None else f"{os.getpid()}_{ticks}"


def may_token_live(token: str) -> bool:
    """Return whether the process of a token runs; without its start, or a /proc, whether any process has its pid."""
    word, _, ticks = token.partition("_")
    try:
        pid = int(word)
        if has_procfs():
            process = read_process(pid)
            return process is not None and not process.is_dead and ticks in ("", str(process.ticks))
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError):
        return True
    return True


def has_procfs() -> bool:
    """Return whether there is a /proc; otherwise only process groups can be looked at."""
    # Under Wine there is one, which is about other processes than those of Windows.
    return os.name == "posix" and os.path.isdir(f"{PROC}/self")


def is_group_alive(leader: int) -> bool:
    """Return whether a process group has a process that may be signalled."""
    try:
        os.killpg(leader, 0)
    except OSError:
        return False
    return True


def group_as_process(leader: int) -> ProcessInfo:
    """Return a process group as if it were one process, with a negative pid as kill(2) takes it."""
    return ProcessInfo(-leader, "process group", False, 0, leader, 0, 0.0, 1, 0)


def read_tag(pid: int) -> int | None:
    """Return the soft limit on message queues, which marks the processes of a job."""
    try:
        with open(f"{PROC}/{pid}/limits", "rb") as file:
            for line in file:
                if line.startswith(b"Max msgqueue size"):
                    return int(line.split()[3])
    except (OSError, ValueError, IndexError):
        pass
    return None


def read_run_id(pid: int) -> str | None:
    """Return RAE_RUN_ID in the environment that the process had at its last exec."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            for entry in file.read().split(b"\0"):
                if entry.startswith(_RUN_ID_PREFIX):
                    return entry[len(_RUN_ID_PREFIX) :].decode(errors="replace")
    except OSError:
        pass
    return None


def send_signal(process: ProcessInfo, number: signal.Signals) -> bool:
    """Signal this very process, never another one that got its pid; return whether it may be signalled at all."""
    try:
        if process.pid < 0 or not hasattr(os, "pidfd_open") or not has_procfs():
            os.kill(process.pid, number)
            return True
        handle = os.pidfd_open(process.pid)
    except PermissionError:
        return False
    except OSError:
        return True
    try:
        current = read_process(process.pid)
        if current is not None and current.ticks == process.ticks:
            signal.pidfd_send_signal(handle, number)  # type: ignore[attr-defined, unused-ignore]
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
    return True


def read_boot_id() -> str | None:
    """Return the id of this boot of the machine."""
    with suppress(OSError), open(f"{PROC}/sys/kernel/random/boot_id") as file:
        return file.read().strip()
    return None
