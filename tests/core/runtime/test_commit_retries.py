"""Commits that fail: tried again soon, at once if somebody asks, and refused only if that fails too."""

import asyncio
from typing import Any

import pytest
from tests.support.control_peer import in_time

from rae_auto import Job, Scheduler
from rae_auto.errors import StoreError
from rae_auto.model.run import RunState
from rae_auto.runtime import engine_loop
from rae_auto.runtime.engine_loop import COMMIT_RETRY_SECONDS
from rae_auto.testing.memory_store import MemoryStore

JOB = Job(id="a", command=["true"], overlap="allow")

pytestmark = pytest.mark.requirement("R22")


class FullDisk(MemoryStore):
    """A store that can't be written while `is_full`."""

    is_full = False
    tries = 0

    def commit(self, changes: Any) -> None:
        self.tries += 1
        if self.is_full:
            raise StoreError("no space left on device")
        super().commit(changes)


def test_pauses_between_tries_are_at_most_two_seconds():
    assert max(COMMIT_RETRY_SECONDS) <= 2.0


def test_request_ends_the_pause_and_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_loop, "COMMIT_RETRY_SECONDS", (0.01, 3600.0))
    store = FullDisk()

    async def work():
        async with Scheduler(directory=tmp_path, store=store, jobs=[JOB]) as scheduler:
            store.is_full = True
            with pytest.raises(StoreError, match="accepted but not saved yet"):
                await scheduler.trigger("a", request="first")
            store.is_full = False
            second = await scheduler.trigger("a", request="second")
            await asyncio.gather(*map(scheduler.wait, [second, await scheduler.trigger("a", request="first")]))
            return await scheduler.history()

    runs = in_time(work)
    assert sorted(run.key for run in runs) == ["first", "second"]
    assert {run.state for run in runs} == {RunState.SUCCEEDED}


def test_request_is_refused_if_its_try_fails_too(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_loop, "COMMIT_RETRY_SECONDS", (0.01, 3600.0))
    store = FullDisk()

    async def work():
        async with Scheduler(directory=tmp_path, store=store, jobs=[JOB]) as scheduler:
            store.is_full = True
            with pytest.raises(StoreError):
                await scheduler.trigger("a")
            before = store.tries
            with pytest.raises(StoreError, match="requests are refused: no space left on device"):
                await scheduler.trigger("a", request="refused")
            tries, store.is_full = store.tries - before, False
            await scheduler.trigger("a", request="after")
            return tries, [run.key for run in await scheduler.history()]

    tries, keys = in_time(work)
    assert tries == 1
    assert "refused" not in keys
