"""Commits of a bounded size."""

import asyncio
from datetime import timedelta
from typing import ClassVar

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from tests.support.control_peer import in_time

from rae_auto import Job, Scheduler
from rae_auto.engine.effects import Step
from rae_auto.errors import StoreError
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.runtime.concurrency import commit_batches
from rae_auto.runtime.concurrency.commit_batches import MAX_BATCH_CHANGES, split_into_batches
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.testing.memory_store import MemoryStore


def step_of(parts: list[int]) -> Step:
    step = Step()
    for number, size in enumerate(parts):
        for change in range(size):
            step.save(JobState(JobId(f"part-{number}-change-{change}")))
        step.keep()
    return step


@given(st.lists(st.lists(st.integers(0, MAX_BATCH_CHANGES), max_size=6), max_size=4))
def test_batches_are_bounded_and_cut_between_parts(sizes):
    steps = [step_of(parts) for parts in sizes]
    batches = list(split_into_batches(steps))
    assert [change for batch in batches for change in batch] == [change for step in steps for change in step.changes]
    assert all(0 < len(batch) <= MAX_BATCH_CHANGES for batch in batches)
    ends = {id(part[-1]) for step in steps for part in step.parts()}
    assert all(id(batch[-1]) in ends for batch in batches)


def test_batches_are_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(commit_batches, "MAX_BATCH_BYTES", 10 * commit_batches._CHANGE_BYTES)
    assert [len(batch) for batch in split_into_batches([step_of([4, 4, 4, 20, 1])])] == [8, 4, 20, 1]


class SmallCommitStore(MemoryStore):
    """A store that can't commit more than a few changes at once."""

    sizes: ClassVar[list[int]] = []

    def commit(self, changes):
        self.sizes.append(len(changes))
        if len(changes) > 600:
            raise StoreError(f"{len(changes)} changes are too many")
        super().commit(changes)


@frozen
class LaterClock:
    """The clock of the machine, some hours ahead."""

    ahead: timedelta

    def now(self) -> Moment:
        return SystemClock().now().later(self.ahead)


def test_a_catch_up_of_many_jobs_is_committed_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(commit_batches, "MAX_BATCH_CHANGES", 500)
    store = SmallCommitStore()
    jobs = [
        Job(name=f"j{n}", python="time:time", schedule="* * * * *", catch_up="all", overlap="allow", overlap_max=100)
        for n in range(50)
    ]

    async def work(hours):
        clock = LaterClock(timedelta(hours=hours))
        async with Scheduler(directory=tmp_path, store=store, jobs=jobs, clock=clock, max_parallel=1) as scheduler:
            runs = await scheduler.history(limit=10_000)
            # What was missed is caught up in pieces, a turn for each.
            while hours and len(runs) < 50 * 100:
                await asyncio.sleep(0.01)
                runs = await scheduler.history(limit=10_000)
            await scheduler.close(timedelta(0))
            return runs

    in_time(lambda: work(0))
    store.sizes.clear()
    assert len(in_time(lambda: work(3))) >= 50 * 100
    assert len(store.sizes) > 50 * 100 // 500


def test_a_first_start_with_many_jobs_is_committed_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(commit_batches, "MAX_BATCH_CHANGES", 500)
    store = SmallCommitStore()
    jobs = [Job(name=f"j{n}", python="time:time", schedule="0 4 1 1 *") for n in range(1_300)]

    async def start():
        async with Scheduler(directory=tmp_path, store=store, jobs=jobs):
            pass

    store.sizes.clear()
    in_time(start)
    assert [size for size in store.sizes if size > 100] == [500, 500, 300]
