"""Identity of processes: pid, start time and boot id, so that another process is never signalled by mistake."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.cgroups import read_pids
from rae_plugins.executors.process.keeper.procfs import ProcessInfo


@frozen
class ProcessIdentity:
    """One process of one boot; `ticks` is its start in clock ticks since then (field 22 of proc(5)'s stat)."""

    pid: int
    ticks: int | None
    boot: str | None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ProcessIdentity | None":
        """Return the identity in a start record or a handle, if it is complete."""
        pid, ticks, boot = record.get("pid"), record.get("ticks"), record.get("boot")
        if isinstance(pid, int) and pid > 1 and isinstance(ticks, int) and isinstance(boot, str):
            return cls(pid, ticks, boot)
        return None

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """Return the identity of the process that has this pid now; None if there is none."""
        process = procfs.read_process(pid)
        return None if process is None else cls(pid, process.ticks, procfs.read_boot_id())

    def is_alive(self) -> bool:
        """Return whether this very process runs; a zombie doesn't."""
        process = procfs.read_process(self.pid)
        return (
            self.boot == procfs.read_boot_id() and process is not None and self.is_same(process) and not process.is_dead
        )

    def is_same(self, process: ProcessInfo) -> bool:
        """Return whether the process that has the pid now is this one."""
        return process.ticks == self.ticks


@frozen
class ProcessTree:
    """All processes of an attempt, as far as anyone but its keeper can see.

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
        keeper, tag, cgroup_path = record.get("keeper"), record.get("tag"), record.get("group")
        pid, ticks = keeper if isinstance(keeper, list) and len(keeper) == 2 else (None, None)
        return cls(
            ProcessIdentity.from_record(record),
            run,
            ProcessIdentity.from_record({"pid": pid, "ticks": ticks, "boot": record.get("boot")}),
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
        table = procfs.read_all_processes()
        session = self._find_session(table)
        keeper_pid = self.keeper.pid if self.keeper is not None and self.keeper.is_alive() else None
        in_cgroup = set(read_pids(self.cgroup_path)) if self.cgroup_path else set()
        roots = [
            process
            for process in table.values()
            if process.session == session
            or process.pid in in_cgroup
            or (process.parent == keeper_pid and self.tag is not None and procfs.read_tag(process.pid) == self.tag)
            or procfs.read_run_id(process.pid) == self.run
        ]
        return [process for process in procfs.collect_trees(roots, table) if not process.is_dead]

    def _find_session(self, table: procfs.ProcessTable) -> int | None:
        # The kernel gives a session's number to no other process while it has members, so the number is ours unless a
        # process with another start time has it.
        if self.leader is None or self.leader.boot != procfs.read_boot_id():
            return None
        holder = table.get(self.leader.pid)
        return self.leader.pid if holder is None or self.leader.is_same(holder) else None
