"""An attempt of an earlier daemon that is still alive when this one starts, and the end of one without its keeper."""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rae_auto.api import Execution
from rae_auto.model.run import Result
from rae_plugins.executors.process.attempt_files import RECORD_INTERVAL_SECONDS, read_record, to_result
from rae_plugins.executors.process.identity import ProcessTree
from rae_plugins.executors.process.keeper.termination import MAX_CHECK_SECONDS, Termination, describe_survivors

MAX_EXIT_RECORD_LOOKS = 20
"""Number of looks for the exit record once nothing of the attempt is alive but its keeper."""


class AdoptedAttempt(Execution):
    """An attempt of an earlier daemon, whose keeper, if it is alive, records its end on disk.

    Its keeper takes no requests from this daemon, and its processes are not our children, so both the end and a
    cancellation go by looks at the processes and at the exit record. A look at the processes always comes before the
    look for the record: what the keeper wrote before it exited is then seen. While the keeper is alive but the main
    process is not, the keeper may be ending orphans, which takes its time: looks are counted only once no member is
    left.
    """

    def __init__(self, record: Mapping[str, Any], tree: ProcessTree, exit_path: Path) -> None:
        self._record = record
        self._tree = tree
        self._exit_path = exit_path
        self._termination: Termination | None = None

    @property
    def handle(self) -> Mapping[str, Any]:
        return self._record

    async def cancel(self, grace: timedelta) -> None:
        """End its tree as its keeper would."""
        if self._termination is not None:
            self._termination.shorten(grace.total_seconds(), time.monotonic())
        else:
            self._termination = begin_termination(self._tree, grace.total_seconds())
            await carry_out(self._termination)

    async def wait(self) -> Result:
        looks_left = MAX_EXIT_RECORD_LOOKS
        while looks_left:
            is_kept, is_running = self._tree.is_kept(), self._tree.is_leader_alive()
            if (exit_record := read_record(self._exit_path)) is not None:
                return self._to_result(exit_record)
            if self._termination is not None and self._termination.survivors:
                return self._to_result({"error": describe_survivors(self._termination.survivors)})
            if not is_running:
                members = await asyncio.to_thread(self._tree.members) if is_kept else []
                looks_left = MAX_EXIT_RECORD_LOOKS if members else looks_left - 1 if is_kept else 0
            await asyncio.sleep(RECORD_INTERVAL_SECONDS if looks_left else 0)
        return await self._end_without_record()

    async def _end_without_record(self) -> Result:
        """End what is left of the tree, as its keeper no longer does, and return the result.

        Another attempt may follow at once. A cancellation that goes on is waited for, with its grace.
        """
        if self._termination is None:
            await self.cancel(timedelta(0))
        assert self._termination is not None
        while not self._termination.is_over:  # noqa: ASYNC110  # by looks at the processes
            await asyncio.sleep(RECORD_INTERVAL_SECONDS)
        error, survivors = "the process ended, but its keeper left no exit status", self._termination.survivors
        return self._to_result({"error": f"{error}; {describe_survivors(survivors)}" if survivors else error})

    def _to_result(self, record: Mapping[str, Any]) -> Result:
        """Return the result of a record, with the signals that were sent from here, of which its keeper knows nothing.

        Nothing is alive but what the termination could not end: that was looked at first.
        """
        if self._termination is None:
            return to_result(record)
        tree = {**self._termination.describe(time.monotonic()), **record.get("tree", {})}
        return to_result({**record, "tree": tree})


def begin_termination(tree: ProcessTree, grace_seconds: float) -> Termination:
    """Return the end of an attempt's tree, to be carried out."""
    now = time.monotonic()
    if os.name != "nt":
        return Termination(grace_seconds, now, tree.members)
    # lazy: only on Windows
    from rae_plugins.executors.process.keeper.windows.adopted_tree import send_break
    from rae_plugins.executors.process.keeper.windows.termination import WindowsTermination

    leader = tree.leader
    return WindowsTermination(
        grace_seconds,
        now,
        tree.members,
        partial(_kill_all, tree),
        (lambda: None) if leader is None else partial(send_break, leader.pid),
    )


def _kill_all(tree: ProcessTree) -> None:
    from rae_plugins.executors.process.keeper.windows.adopted_tree import (
        kill_job,
        kill_process,
    )  # lazy: only on Windows

    kill_job(tree.cgroup_path)
    # What is left where the job object is gone with its keeper.
    for process in tree.members():
        kill_process(process)


async def carry_out(termination: Termination) -> Termination:
    """Step the termination until it is over, and return it; its grace may be shortened meanwhile."""
    while not termination.is_over:
        await asyncio.to_thread(termination.step, time.monotonic())
        await asyncio.sleep(min(MAX_CHECK_SECONDS, max(0.0, termination.next_check - time.monotonic())))
    return termination


async def end_tree(tree: ProcessTree, grace_seconds: float = 0.0) -> Termination:
    """End an attempt's tree, and return its termination, which names what could not be ended."""
    return await carry_out(begin_termination(tree, grace_seconds))
