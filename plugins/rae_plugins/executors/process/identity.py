"""Processes by more than their number: pid, start time and boot id, so that a stranger is never signalled."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.cgroups import pids_in
from rae_plugins.executors.process.keeper.procfs import Process


@frozen
class ProcessIdentity:
    """One process of one boot; `ticks` is its start in clock ticks since then (field 22 of proc(5)'s stat)."""

    pid: int
    ticks: int | None
    boot: str | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "ProcessIdentity | None":
        """The identity in a start record or a handle, if it has enough to tell the process from any other."""
        pid, ticks, boot = record.get("pid"), record.get("ticks"), record.get("boot")
        if isinstance(pid, int) and pid > 1 and isinstance(ticks, int) and isinstance(boot, str):
            return cls(pid, ticks, boot)
        return None

    def alive(self) -> bool:
        """Whether this very process runs; a zombie doesn't."""
        process = procfs.look(self.pid)
        return self.boot == procfs.boot_id() and process is not None and self.is_same(process) and not process.dead

    def is_same(self, process: Process) -> bool:
        """Whether the process that has the number now is the one that is meant."""
        return process.ticks == self.ticks


@frozen
class Tree:
    """All processes of an attempt, as far as somebody else than its keeper can tell.

    While its keeper lives, that are those of its branches below the keeper (see `keeper.tree`); else its session and
    what carries the run's mark in its environment, each with all that descends from it.
    """

    leader: ProcessIdentity | None
    run: str
    keeper: ProcessIdentity | None = None
    tag: int | None = None
    group: str | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any], run: str) -> "Tree":
        """The tree of a start record or a handle; of an empty one, what carries the mark of the run."""
        keeper, tag, group = record.get("keeper"), record.get("tag"), record.get("group")
        pid, ticks = keeper if isinstance(keeper, list) and len(keeper) == 2 else (None, None)
        return cls(
            ProcessIdentity.of(record),
            run,
            ProcessIdentity.of({"pid": pid, "ticks": ticks, "boot": record.get("boot")}),
            tag if isinstance(tag, int) else None,
            group if isinstance(group, str) else None,
        )

    def begun(self) -> bool:
        """Whether its main process lives."""
        return self.leader is not None and self.leader.alive()

    def is_kept(self) -> bool:
        """Whether its keeper lives, and will note how it ends."""
        return self.keeper is not None and self.keeper.alive()

    def members(self) -> list[Process]:
        """Those that live."""
        table = procfs.processes()
        session = self._session(table)
        keeper = self.keeper.pid if self.keeper is not None and self.keeper.alive() else None
        in_group = set(pids_in(self.group)) if self.group else set()
        roots = [
            process
            for process in table.values()
            if process.session == session
            or process.pid in in_group
            or (process.parent == keeper and self.tag is not None and procfs.tag_of(process.pid) == self.tag)
            or procfs.run_of(process.pid) == self.run
        ]
        return [process for process in procfs.below(roots, table) if not process.dead]

    def _session(self, table: procfs.Table) -> int | None:
        # While anything of the session lives, nobody else gets its number; a stranger's start time tells.
        if self.leader is None or self.leader.boot != procfs.boot_id():
            return None
        first = table.get(self.leader.pid)
        return self.leader.pid if first is None or self.leader.is_same(first) else None
