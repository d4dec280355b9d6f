"""Identity of processes: pid, start time and boot id, so that another process is never signalled by mistake."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.cgroups import read_pids
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.process_table import (
    TICKS_PER_SECOND,
    read_all_processes,
    read_boot,
    read_process,
    read_run_id,
)

CREATION_TOLERANCE_SECONDS = 1.0
"""Distance that a time of creation may have from the moments between which a process was spawned."""

EXACT_TOLERANCE_SECONDS = 0.05
"""Distance that it may have on Windows, where the keeper reads the time of creation itself."""


@frozen
class ProcessIdentity:
    """One process of one boot.

    `ticks` is its start in clock ticks since then (field 22 of proc(5)'s stat). Where there is no /proc, it is None,
    and `spawned` has the moments between which the process was created, in seconds since the epoch.
    """

    pid: int
    ticks: int | None
    boot: str | None
    spawned: tuple[float, float] | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ProcessIdentity | None":
        """Return the identity in a start record or a handle, if it is complete."""
        return cls._complete(record.get("pid"), record.get("ticks"), record.get("boot"), record.get("spawned"))

    @classmethod
    def of_keeper(cls, record: Mapping[str, Any]) -> "ProcessIdentity | None":
        """Return the identity of the keeper in a start record or a handle, if it is complete."""
        keeper = record.get("keeper")
        pid, ticks = keeper if isinstance(keeper, list) and len(keeper) == 2 else (None, None)
        return cls._complete(pid, ticks, record.get("boot"), record.get("keeper_spawned"))

    @classmethod
    def _complete(cls, pid: Any, ticks: Any, boot: Any, spawned: Any) -> "ProcessIdentity | None":
        if not isinstance(pid, int) or pid <= 1:
            return None
        if isinstance(ticks, int) and isinstance(boot, str):
            return cls(pid, ticks, boot)
        if not procfs.has_procfs() and isinstance(spawned, list) and len(spawned) == 2:
            return cls(pid, None, None, (float(spawned[0]), float(spawned[1])))
        return None

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """Return the identity of the process that has this pid now; None if there is none."""
        process = read_process(pid)
        if process is None:
            return None
        if procfs.has_procfs():
            return cls(pid, process.ticks, read_boot())
        created = process.ticks / TICKS_PER_SECOND
        return cls(pid, None, None, (created, created))

    def record(self) -> dict[str, Any]:
        """Return a record from which `from_record` makes an equal identity."""
        return {"pid": self.pid, "ticks": self.ticks, "boot": self.boot, "spawned": self.spawned and [*self.spawned]}

    def is_alive(self) -> bool:
        """Return whether this very process runs; a zombie doesn't."""
        if not self.is_of_this_boot():
            return False
        process = read_process(self.pid)
        return process is not None and self.is_same(process) and not process.is_dead

    def is_of_this_boot(self) -> bool:
        """Return whether the process can exist at all; no time of creation lies before the boot."""
        return self.ticks is None or self.boot == read_boot()

    def is_same(self, process: ProcessInfo) -> bool:
        """Return whether the process that has the pid now is this one."""
        if self.spawned is None:
            return process.ticks == self.ticks
        first, last = self.spawned
        created = process.ticks / TICKS_PER_SECOND
        tolerance = EXACT_TOLERANCE_SECONDS if os.name == "nt" else CREATION_TOLERANCE_SECONDS
        return first - tolerance <= created <= last + tolerance


@frozen
class ProcessTree:
    """All processes of an attempt that can be found without being its keeper.

    While its keeper lives, these are the branches below the keeper that carry its tag (see `keeper.procfs`); otherwise
    its session, its cgroup and every process with the id of the run in its environment. Each comes with all of its
    descendants.
    """

    leader: ProcessIdentity | None
    run: str
    keeper: ProcessIdentity | None = None
    tag: int | None = None
    cgroup_path: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any], run: str) -> "ProcessTree":
        """Return the tree of a start record or a handle; of an empty one, only what has the run in its environment."""
        tag, cgroup_path = record.get("tag"), record.get("group")
        return cls(
            ProcessIdentity.from_record(record),
            run,
            ProcessIdentity.of_keeper(record),
            tag if isinstance(tag, int) else None,
            cgroup_path if isinstance(cgroup_path, str) else None,
        )

    def is_leader_alive(self) -> bool:
        """Return whether its main process is alive."""
        return self.leader is not None and self.leader.is_alive()

    def is_kept(self) -> bool:
        """Return whether its keeper is alive, and will record how it ends."""
        return self.keeper is not None and self.keeper.is_alive()

    def members(self) -> list[ProcessInfo]:
        """Return its processes that are alive."""
        table = read_all_processes()
        session, in_cgroup, keeper_pid = self._marks(table)
        roots = [process for process in table.values() if self._is_root(process, session, in_cgroup, keeper_pid)]
        return [process for process in procfs.collect_trees(roots, table) if not process.is_dead]

    def has_member(self, ancestry: Sequence[ProcessInfo]) -> bool:
        """Return whether the first of these processes belongs to the attempt; the others are its ancestors."""
        leader = None if self.leader is None else read_process(self.leader.pid)
        session, in_cgroup, keeper_pid = self._marks({} if leader is None else {leader.pid: leader})
        return any(self._is_root(process, session, in_cgroup, keeper_pid) for process in ancestry)

    def _marks(self, table: procfs.ProcessTable) -> tuple[int | None, set[int], int | None]:
        """Return the session, the processes in the cgroup, and the pid of the keeper while it is alive."""
        keeper_pid = self.keeper.pid if self.keeper is not None and self.keeper.is_alive() else None
        in_container = set(_read_container(self.cgroup_path)) if self.cgroup_path else set()
        return self._find_session(table), in_container, keeper_pid

    def _is_root(self, process: ProcessInfo, session: int | None, in_cgroup: set[int], keeper_pid: int | None) -> bool:
        return (
            process.session == session
            or (process.pid == session and os.name == "nt")  # where there are no sessions
            or process.pid in in_cgroup
            or (process.parent == keeper_pid and self.tag is not None and procfs.read_tag(process.pid) == self.tag)
            or read_run_id(process.pid) == self.run
        )

    def _find_session(self, table: procfs.ProcessTable) -> int | None:
        # The kernel gives a session's number to no other process while it has members, so the number is ours unless a
        # process with another start time has it.
        if self.leader is None or not self.leader.is_of_this_boot():
            return None
        holder = table.get(self.leader.pid)
        return self.leader.pid if holder is None or self.leader.is_same(holder) else None


def _read_container(path: str) -> list[int]:
    """Return the pids in a control group, or in a job object of Windows."""
    if os.name != "nt":
        return read_pids(path)
    from rae_plugins.executors.process.keeper.windows.adopted_tree import read_job_pids  # lazy: only on Windows

    return read_job_pids(path)
