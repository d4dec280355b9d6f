"""Directories of sources: kept as long as the job has the trigger, and no longer."""

import asyncio
from typing import Any

from attrs import frozen
from tests.support.control_peer import in_time

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.api.store import Put
from rae_auto.model import documents
from rae_auto.registry import Registry
from rae_plugins.stores.sqlite import SqliteStore


class Stage:
    starts: asyncio.Queue[tuple[str, bool]]
    """Which triggers have started, and whether they found anything."""


@frozen
class Keeping(SourceTrigger):
    """Notes whether there was something from before, and writes until its very end."""

    type = "keeping"
    name: str = ""

    async def watch(self, context: TriggerContext) -> None:
        kept = context.directory / "kept"
        Stage.starts.put_nowait((context.trigger, kept.exists()))
        context.directory.mkdir(parents=True, exist_ok=True)
        try:
            kept.touch()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            context.directory.mkdir(parents=True, exist_ok=True)
            kept.touch()


class WithKeeping:
    def __init__(self) -> None:
        self._installed = Registry()

    def names(self, kind: Kind) -> Any:
        return [*self._installed.names(kind), *({"keeping"} if kind is Kind.TRIGGER else ())]

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        return Keeping if (kind, name) == (Kind.TRIGGER, "keeping") else self._installed.get(kind, name)


def job(*triggers, **fields):
    refs = [TriggerRef("keeping", {}, name) for name in triggers]
    return Job(id="a", python="time:time", schedule=refs, **fields)


def run_with_scheduler(directory, work, *jobs):
    async def main():
        Stage.starts = asyncio.Queue()
        async with Scheduler(directory=directory, store="json", plugins=WithKeeping(), jobs=jobs) as scheduler:
            return await work(scheduler)

    return in_time(main)


async def beginning(scheduler, count=1):
    return [await Stage.starts.get() for _ in range(count)]


def test_it_is_there_after_a_restart(tmp_path):
    assert run_with_scheduler(tmp_path, beginning, job("x")) == [("x", False)]
    assert run_with_scheduler(tmp_path, beginning, job("x")) == [("x", True)]


def test_source_of_a_removed_and_added_job_starts_with_no_files(tmp_path):
    async def work(scheduler):
        for _ in range(3):
            await scheduler.add_job(job("x"))
            assert await beginning(scheduler) == [("x", False)]
            await scheduler.remove_job("a")

    run_with_scheduler(tmp_path, work)
    assert not list(tmp_path.glob("triggers/*/*"))


def test_trigger_removed_and_added_again_starts_fresh(tmp_path):
    async def work(scheduler):
        await scheduler.add_job(job("x", "y"))
        await beginning(scheduler, 2)
        await scheduler.add_job(job("x"), replace=True)
        await scheduler.add_job(job("x", "y"), replace=True)
        return await beginning(scheduler)

    assert run_with_scheduler(tmp_path, work) == [("y", False)]


def test_an_option_that_changes_takes_nothing_away(tmp_path):
    async def work(scheduler):
        await scheduler.add_job(job("x"))
        await beginning(scheduler)
        await scheduler.add_job(
            Job(id="a", python="time:time", schedule=TriggerRef("keeping", {"name": "other"}, "x")), replace=True
        )
        return await beginning(scheduler)

    assert run_with_scheduler(tmp_path, work) == [("x", True)]


def test_trigger_removed_while_no_daemon_ran_starts_fresh(tmp_path):
    run_with_scheduler(tmp_path, lambda s: beginning(s, 2), job("x", "y"))
    assert run_with_scheduler(tmp_path, beginning, job("y")) == [("y", True)]
    assert run_with_scheduler(tmp_path, lambda s: beginning(s, 2), job("x", "y")) == [("x", False), ("y", True)]
    run_with_scheduler(tmp_path, lambda _: asyncio.sleep(0))
    assert not list((tmp_path / "triggers").iterdir())


def test_damaged_job_definition_keeps_the_source_directory(tmp_path):
    async def adding(scheduler):
        await scheduler.add_job(job("x"))
        await beginning(scheduler)

    run_with_scheduler(tmp_path, adding)
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put(documents.JOB, "a", {"id": "a", "nonsense": True})])
    store.close()
    run_with_scheduler(tmp_path, lambda _: asyncio.sleep(0))
    assert (tmp_path / "triggers" / "a" / "x" / "kept").exists()
