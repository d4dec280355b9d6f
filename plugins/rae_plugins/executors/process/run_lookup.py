"""The run that a process belongs to, which the process can't hide.

The ancestors of a process lead through the keeper that spawned its run: the keeper is
a subreaper, so that not even a process whose parents have ended leaves it. Where the keeper itself has ended, the marks
that `ProcessTree` knows are left.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons.requesters import UNKNOWN_RUN
from rae_plugins.executors.process.identity import ProcessIdentity, ProcessTree
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.process_table import read_process


def find_run_of(
    pid: int, handles: Mapping[RunId, Mapping[str, Any]], keepers: Iterable[ProcessIdentity]
) -> RunId | None:
    """Return the run that a process belongs to, `UNKNOWN_RUN` if only that it belongs to one is sure, or None."""
    ancestry = list_ancestry(pid)
    for run, handle in handles.items():
        if ProcessTree.from_record(handle, run).has_member(ancestry):
            return run
    pids = {keeper.pid for keeper in keepers if keeper.is_alive()}
    return UNKNOWN_RUN if any(process.pid in pids for process in ancestry) else None


def list_ancestry(pid: int) -> Sequence[ProcessInfo]:
    """Return a process, its parent, and so on; nothing if there is no such process."""
    found: dict[int, ProcessInfo] = {}
    while pid not in found and (process := read_process(pid)) is not None:
        found[pid] = process
        pid = process.parent
    return list(found.values())
