"""Which processes are of a job, by what the kernel tells of them.

The theory. The keeper is a subreaper: whoever of its jobs loses its parent becomes the keeper's child. So all that is
left of its jobs descends from it, and each branch right below it is either the main process of a job or an orphan. A
branch is of one job as a whole. Whose an orphan is, it shows by what it can't easily lose:

- its tag: the soft limit on the bytes of POSIX message queues, which the keeper makes a little different for each job.
  It is inherited by every child, over every exec, whatever becomes of session, environment and parent, and takes
  nothing from anybody but some bytes of queues;
- its session, which is that of the main process unless it left it;
- RAE_RUN_ID in its environment, unless that was cleared.

Where there is no keeper any more, there are only session, parents and environment to go by.
"""

import os
import signal
from contextlib import suppress
from typing import NamedTuple

PROC = "/proc"
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Process(NamedTuple):
    """One line of /proc/PID/stat, proc(5). `ticks` is its start since boot: with the pid it names a process for good.

    `cpu` is seconds on the processor, with those of its children that it has reaped.
    """

    pid: int
    name: str
    dead: bool
    parent: int
    session: int
    ticks: int
    cpu: float
    threads: int
    resident: int


Table = dict[int, Process]


def look(pid: int) -> Process | None:
    """The process of this number, be it a zombie."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            head, _, rest = file.read().rpartition(b")")
        fields = rest.split()
        return Process(
            pid=pid,
            name=head.partition(b"(")[2].decode(errors="replace"),
            dead=fields[0] in (b"Z", b"X"),
            parent=int(fields[1]),
            session=int(fields[3]),
            ticks=int(fields[19]),
            cpu=sum(map(int, fields[11:15])) / _TICK,
            threads=int(fields[17]),
            resident=int(fields[21]) * PAGE,
        )
    except (OSError, IndexError, ValueError):
        return None


def lives(pid: int) -> bool:
    """Whether there is a process of this number that is no zombie."""
    process = look(pid)
    return process is not None and not process.dead


def processes() -> Table:
    """All processes, zombies included; none where there is no /proc."""
    try:
        pids = [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return {}
    return {pid: process for pid in pids if (process := look(pid)) is not None}


def below(roots: "list[Process]", table: Table) -> "list[Process]":
    """These processes and all that descend from them."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found = {process.pid: process for process in roots}
    # Parents first, so that who is signalled in this order isn't told of his children's death before.
    waiting = list(found.values())
    for process in waiting:
        for child in children.get(process.pid, ()):
            if child.pid not in found:
                found[child.pid] = child
                waiting.append(child)
    return waiting


def children_of_mine() -> "list[int]":
    """The pids of this process's children, without looking at all processes where the kernel offers that."""
    me = os.getpid()
    try:
        with open(f"{PROC}/self/task/{me}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return [process.pid for process in processes().values() if process.parent == me]


def is_known() -> bool:
    """Whether the kernel tells of processes at all; else there are only groups."""
    return os.path.isdir(f"{PROC}/self")


def group_lives(leader: int) -> bool:
    """Whether anything of a process group is there that may be signalled."""
    try:
        os.killpg(leader, 0)
    except OSError:
        return False
    return True


def group(leader: int) -> Process:
    """A process group as if it were one process."""
    return Process(-leader, "process group", False, 0, leader, 0, 0.0, 1, 0)


def tag_of(pid: int) -> int | None:
    """The soft limit on message queues, by which a job's processes are told."""
    try:
        with open(f"{PROC}/{pid}/limits", "rb") as file:
            for line in file:
                if line.startswith(b"Max msgqueue size"):
                    return int(line.split()[3])
    except (OSError, ValueError, IndexError):
        pass
    return None


def run_of(pid: int) -> str | None:
    """RAE_RUN_ID in the environment with which the process began its program."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            for entry in file.read().split(b"\0"):
                if entry.startswith(b"RAE_RUN_ID="):
                    return entry[11:].decode(errors="replace")
    except OSError:
        pass
    return None


def send(process: Process, number: signal.Signals) -> bool:
    """Signal this very process, never a stranger that got its number; whether it may be signalled at all."""
    try:
        if process.pid < 0 or not hasattr(os, "pidfd_open"):
            os.kill(process.pid, number)
            return True
        handle = os.pidfd_open(process.pid)
    except PermissionError:
        return False
    except OSError:
        return True
    try:
        now = look(process.pid)
        if now is not None and now.ticks == process.ticks:
            signal.pidfd_send_signal(handle, number)  # type: ignore[attr-defined, unused-ignore]
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
    return True


def boot_id() -> str | None:
    """What tells this boot of the machine from any other."""
    with suppress(OSError), open(f"{PROC}/sys/kernel/random/boot_id") as file:
        return file.read().strip()
    return None
