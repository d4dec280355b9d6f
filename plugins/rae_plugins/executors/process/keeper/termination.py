"""Termination of a tree of processes, step by step, without waiting.

The rule: SIGTERM to each process once, also to those that appear later; after the grace, SIGKILL until none is left.
A stopped process gets SIGCONT after its SIGTERM, so that it can obey.

A tree that forks as fast as it is killed would never be empty. So before the kill every process gets SIGSTOP, and the
tree is listed again until a listing brings nothing new: a stopped process can't fork, so each sweep leaves fewer
processes able to. MAX_STOP_SWEEPS bounds the work of one step; the next step goes on. Where there is a cgroup, the
kernel kills all of it at once first.

After KILL_TIMEOUT_SECONDS what is still there can't be ended from here (another user's process, or one in an
uninterruptible system call). It is reported by name, because a run must not silently count as over.
"""

import signal
from collections.abc import Callable
from typing import Any

from rae_plugins.executors.process.keeper.procfs import ProcessInfo, send_signal

KILL_TIMEOUT_SECONDS = 5.0
"""Time after SIGKILL for which a process may still be there; after that it is reported as a survivor."""

MAX_STOP_SWEEPS = 20
"""Number of times that new processes are looked for while all are being stopped."""

FIRST_CHECK_SECONDS, MAX_CHECK_SECONDS = 0.01, 0.1
"""Bounds of the interval between checks, which doubles."""

MAX_PROCESSES_SHOWN = 5


class Termination:
    """The end of a tree: `step` it whenever `next_check` is reached, until `is_over`."""

    def __init__(
        self,
        grace_seconds: float,
        now: float,
        list_members: "Callable[[], list[ProcessInfo]]",
        kill_group: Callable[[], None] | None = None,
    ) -> None:
        """End the processes that `list_members` returns; `kill_group` kills all of them at once, where that works."""
        self.kill_at = now + grace_seconds
        self.next_check = now
        self._list_members = list_members
        self._kill_group = kill_group
        self._interval = FIRST_CHECK_SECONDS
        self.signalled: dict[tuple[int, int], ProcessInfo] = {}
        """The processes that it has ended, or tried to, by identity."""
        self.is_empty = False
        self.survivors: list[ProcessInfo] = []
        self.requested_at: float | None = None
        """When the first process was asked to end, if any was."""
        self.killed_at: float | None = None
        """When the first process was killed, if any was."""

    def shorten(self, grace_seconds: float, now: float) -> None:
        """End the grace earlier, if that is earlier than so far."""
        self.kill_at = min(self.kill_at, now + grace_seconds)
        self.next_check = now

    @property
    def is_over(self) -> bool:
        """Nothing is left, or nothing that can be ended."""
        return self.is_empty or bool(self.survivors)

    def step(self, now: float) -> None:
        """Check the tree, and send the signals that are due."""
        self._interval = min(2 * self._interval, MAX_CHECK_SECONDS)
        self.next_check = min(now + self._interval, max(self.kill_at, now + FIRST_CHECK_SECONDS))
        members = self._find_members()
        if not members:
            self.is_empty = True
        elif now < self.kill_at:
            if self.requested_at is None:
                self.requested_at = now
            self._request_exit(members)
        elif now < self.kill_at + KILL_TIMEOUT_SECONDS:
            if self.killed_at is None:
                self.killed_at = now
            self._kill(members)
            self.is_empty = not self._find_members()
        else:
            self.survivors = members

    def describe(self, now: float) -> dict[str, Any]:
        """Return what an exit record says of it, under "tree"; each time as seconds before `now`, the end."""
        times = {"requested": self.requested_at, "killed": self.killed_at}
        record = {name: round(now - at, 3) for name, at in times.items() if at is not None}
        return {**record, "left": True} if self.survivors else record

    def _find_members(self) -> "list[ProcessInfo]":
        # Twice, because a process that changes parents between two reads of the table appears under neither.
        return self._list_members() or self._list_members()

    def _request_exit(self, members: "list[ProcessInfo]") -> None:
        for process in members:
            if process.identity not in self.signalled:
                self.signalled[process.identity] = process
                send_signal(process, signal.SIGTERM)
                send_signal(process, signal.SIGCONT)

    def _kill(self, members: "list[ProcessInfo]") -> None:
        if self._kill_group is not None:
            self._kill_group()
        stopped: set[tuple[int, int]] = set()
        for _ in range(MAX_STOP_SWEEPS):
            new = [process for process in members if process.identity not in stopped]
            if not new:
                break
            for process in new:
                stopped.add(process.identity)
                send_signal(process, signal.SIGSTOP)
            members = self._list_members()
        for process in members:
            self.signalled.setdefault(process.identity, process)
            send_signal(process, signal.SIGKILL)


def describe_survivors(survivors: "list[ProcessInfo]") -> str:
    """Return one line on the processes that could not be ended."""
    them = "it" if len(survivors) == 1 else "them"
    return (
        f"{_count(survivors)} survived SIGKILL: {_list_names(survivors)}; end {them} by hand, if necessary as another "
        "user"
    )


def describe_orphans(orphans: "list[ProcessInfo]") -> str:
    """Return one line on the processes that a command left behind and that were ended."""
    them = "it" if len(orphans) == 1 and orphans[0].pid > 0 else "them"
    return f'ended {_count(orphans)} left behind: {_list_names(orphans)}; orphans = "allow" keeps {them}'


def _count(processes: "list[ProcessInfo]") -> str:
    if any(process.pid < 0 for process in processes):
        # Without /proc a group is all that is known.
        return "processes"
    return "1 process" if len(processes) == 1 else f"{len(processes)} processes"


def _list_names(processes: "list[ProcessInfo]") -> str:
    names = ", ".join(
        f"{process.name} ({f'pid {process.pid}' if process.pid > 0 else -process.pid})"
        for process in processes[:MAX_PROCESSES_SHOWN]
    )
    hidden = len(processes) - MAX_PROCESSES_SHOWN
    return f"{names} and {hidden} more" if hidden > 0 else names
