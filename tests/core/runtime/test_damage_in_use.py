"""A store that is damaged while it is in use: what the scheduler holds in memory is made durable again."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define

from rae_auto import Job, Scheduler
from rae_auto.api.store import Change, LogQuery, Setback
from rae_auto.errors import StoreDamaged
from rae_auto.model import documents
from rae_auto.model.run import RunState
from rae_auto.testing.memory_store import MemoryStore

JOB = Job(id="waits", command=["sleep", "60"], overlap="allow")
DAMAGED = {"sqlite": ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm"), "json": ("journal.jsonl",)}


def open_scheduler(directory: Path, store: object) -> Scheduler:
    return Scheduler(directory=directory, store=store)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing else tells it
        await asyncio.sleep(0.01)


@pytest.mark.requirement("R7")
@pytest.mark.parametrize("kind", ["sqlite", "json"])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_files_removed_in_use_lose_no_commit(tmp_path: Path, kind: str, is_replaced: bool) -> None:
    home = tmp_path / "state"

    async def use_store() -> tuple[str, str]:
        async with asyncio.timeout(60), open_scheduler(home, kind) as scheduler:
            await scheduler.add_job(JOB)
            first = await scheduler.trigger("waits")
            for name in DAMAGED[kind]:
                if (home / name).exists():
                    (home / name).rename(tmp_path / name)
                    if is_replaced:
                        shutil.copyfile(tmp_path / name, home / name)
            second = await scheduler.trigger("waits")
            await until(lambda: scheduler.runtime.store_problem is None)
            await scheduler.pause("waits")
            await until(lambda: {opened.run.state for opened in scheduler.runtime.engine.runs()} == {RunState.RUNNING})
            await scheduler.close(timedelta(0), leave_running=True)
            return first, second

    async def reopen() -> tuple[dict[str, str], bool]:
        async with asyncio.timeout(60), open_scheduler(home, kind) as scheduler:
            runs = {run.id: run.state.value for run in await scheduler.history()}
            print([(r.reason, r.attempts) for r in await scheduler.history()])
            paused = (await scheduler.get_job_status("waits")).paused
            await scheduler.cancel("waits")
            return runs, paused

    first, second = asyncio.run(use_store())
    runs, paused = asyncio.run(reopen())
    assert set(runs) == {first, second}
    assert set(runs.values()) == {"running"}
    assert paused


@define(eq=False, slots=False)
class ForgetfulStore(MemoryStore):
    """A store that goes back to an older state in use, once."""

    must_go_back = False
    step: Setback | None = None

    @property
    def setback(self) -> Setback | None:
        return self.step

    def keep(self) -> None:
        self._older = self._documents, self._entries

    def commit(self, changes: Sequence[Change]) -> None:
        if self.must_go_back:
            self.must_go_back = False
            self._documents, self._entries = self._older
            raise StoreDamaged("the store went back")
        super().commit(changes)


@pytest.mark.requirement("R7")
def test_memory_is_written_again_after_a_step_back_in_use(tmp_path: Path) -> None:
    store = ForgetfulStore()

    async def use_store() -> tuple[str, str, list[str]]:
        async with asyncio.timeout(60), open_scheduler(tmp_path, store) as scheduler:
            gone = Job(id="gone", command="true")
            await scheduler.add_job(gone)
            ended = await scheduler.trigger("gone")
            store.keep()
            assert (await scheduler.wait(ended)).state is RunState.SUCCEEDED
            await scheduler.remove_job("gone")
            await scheduler.add_job(JOB)
            opened = await scheduler.trigger("waits")
            store.must_go_back = True
            await scheduler.pause("waits")
            await until(lambda: not store.must_go_back and scheduler.runtime.store_problem is None)
            jobs = [key for key, _ in store.load(documents.JOB)]
            states = [run["state"] for run in store.query(documents.RUNS, LogQuery(key=ended))]
            runs = [key for key, _ in store.load(documents.RUN)]
            await scheduler.cancel("waits")
            return opened, jobs[0], [*states, *runs]

    opened, job, found = asyncio.run(use_store())
    assert job == "waits"
    assert found == ["lost", opened]


@pytest.mark.requirement("R7")
def test_runs_that_a_store_forgets_in_use_are_recorded_as_lost(tmp_path: Path) -> None:
    store = ForgetfulStore()

    async def use_store() -> tuple[list[str], list[tuple[str, str]]]:
        async with asyncio.timeout(60), open_scheduler(tmp_path, store) as scheduler:
            await scheduler.add_job(Job(id="says", command=["echo", "done"]))
            before = await scheduler.wait(await scheduler.trigger("says"))
            store.keep()
            after = await scheduler.wait(await scheduler.trigger("says"))
            store.step = Setback(after.queued_at, 3)
            store.must_go_back = True
            await scheduler.pause("says")
            while len(await scheduler.history()) < 2:  # noqa: ASYNC110 - nothing else tells it
                await asyncio.sleep(0.01)
            return [after.id, before.id], [(run.id, str(run.state)) for run in await scheduler.history()]

    ids, history = asyncio.run(use_store())
    assert history == [(ids[0], "lost"), (ids[1], "succeeded")]
