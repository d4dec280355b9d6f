"""Commits that fail: tried again soon, at once on a request, and refused only if that fails too."""

import asyncio
import math

import pytest
from tests.support.control_peer import in_time
from tests.support.refusing_store import RefusingStore

from rae_auto import Job, Scheduler
from rae_auto.errors import StoreError
from rae_auto.model.run import RunState
from rae_auto.runtime import engine_loop
from rae_auto.runtime.engine_loop import COMMIT_RETRY_SECONDS

JOB = Job(id="a", command=["true"], overlap="allow")

pytestmark = pytest.mark.requirement("R22")


def test_pauses_between_tries_are_at_most_two_seconds():
    assert max(COMMIT_RETRY_SECONDS) <= 2.0


def test_request_ends_the_pause_and_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_loop, "COMMIT_RETRY_SECONDS", (0.01, 3600.0))
    store = RefusingStore()

    async def work():
        async with Scheduler(directory=tmp_path, store=store, jobs=[JOB]) as scheduler:
            store.refusals = math.inf
            with pytest.raises(StoreError, match="accepted but not saved yet"):
                await scheduler.trigger("a", request="first")
            store.refusals = 0
            second = await scheduler.trigger("a", request="second")
            await asyncio.gather(*map(scheduler.wait, [second, await scheduler.trigger("a", request="first")]))
            return await scheduler.history()

    runs = in_time(work)
    assert sorted(run.key for run in runs) == ["first", "second"]
    assert {run.state for run in runs} == {RunState.SUCCEEDED}


def test_request_is_refused_if_its_try_fails_too(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_loop, "COMMIT_RETRY_SECONDS", (0.01, 3600.0))
    store = RefusingStore()

    async def work():
        async with Scheduler(directory=tmp_path, store=store, jobs=[JOB]) as scheduler:
            store.refusals = math.inf
            with pytest.raises(StoreError):
                await scheduler.trigger("a")
            before = store.attempts
            with pytest.raises(StoreError, match="requests are refused: no space left on device"):
                await scheduler.trigger("a", request="refused")
            attempts, store.refusals = store.attempts - before, 0
            await scheduler.trigger("a", request="after")
            return attempts, [run.key for run in await scheduler.history()]

    attempts, keys = in_time(work)
    assert attempts == 1
    assert "refused" not in keys
