"""Executors in use: they get ready before a schedule is due, and learn which ends are durable."""

import asyncio
import contextlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.log_lines import captured_log
from tests.support.waiting import eventually

from rae_auto import Job, Once, Scheduler
from rae_auto.api import Assignment, Execution, Executor
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.names import RunId
from rae_auto.registry.quarantine import Quarantine
from rae_auto.runtime.execution.open_executors import OpenExecutors
from rae_auto.testing.harness.skipping_loop import SkippingLoop
from rae_plugins.executors.process.earlier_daemons import list_keepers


class Noting(Executor):
    """Notes what it is asked to do; starts nothing."""

    type = "noting"
    makes_output_folder = True

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.warmed = 0
        self.confirmed: list[tuple[RunId, int]] = []
        self.expected: list[tuple[int, set[Path]]] = []

    async def warm_up(self) -> None:
        self.warmed += 1
        if self.fails:
            raise RuntimeError("not today")

    def expect_starts(self, number: int, folders: Collection[Path]) -> None:
        self.expected.append((number, set(folders)))

    def confirm_ends(self, attempts: Collection[tuple[RunId, int]]) -> None:
        if self.fails:
            raise RuntimeError("not today")
        self.confirmed += attempts

    async def start(self, assignment: Assignment) -> Execution:
        raise NotImplementedError


def executors_of(directory: Path, noting: Noting) -> OpenExecutors:
    """Executors of which each is `noting`."""
    return OpenExecutors(directory, lambda _: noting, Quarantine(lambda *_: "test"))


@pytest.mark.parametrize("fails", [False, True])
def test_executor_gets_ready_once(tmp_path: Path, fails: bool) -> None:
    noting = Noting(fails)

    async def run() -> None:
        executors = executors_of(tmp_path, noting)
        executors.warm_up([(PluginRef("noting"), "a"), (PluginRef("noting"), "b")])
        executors.warm_up([(PluginRef("noting"), "a")])
        await asyncio.to_thread(eventually, lambda: noting.warmed)
        await executors.close(30)

    with captured_log():
        asyncio.run(run())
    assert noting.warmed == 1


def test_executor_learns_how_many_starts_are_near(tmp_path: Path) -> None:
    noting = Noting()
    (tmp_path / "output" / "known").mkdir(parents=True)

    async def run() -> None:
        executors = executors_of(tmp_path, noting)
        executors.warm_up([(PluginRef("noting"), job) for job in ("known", "new")])
        await asyncio.to_thread(eventually, lambda: noting.expected)
        await executors.close(30)

    asyncio.run(run())
    assert noting.expected == [(2, {tmp_path / "output" / "new"})]


def test_durable_ends_are_confirmed_to_all_executors(tmp_path: Path) -> None:
    broken, sound = Noting(fails=True), Noting()
    quarantine = Quarantine(lambda *_: "test")

    async def run() -> None:
        executors = OpenExecutors(tmp_path, lambda ref: broken if ref.type == "broken" else sound, quarantine)
        for name in ("broken", "sound"):
            await executors.open(PluginRef(name))
        executors.confirm_ends([(RunId("r"), 1)])
        await executors.close(30)

    with captured_log():
        asyncio.run(run())
    assert sound.confirmed == [("r", 1)]
    assert any("not today" in line for line in quarantine.problems())


class Hanging(Noting):
    """Never opens, until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_open = asyncio.Event()

    async def open(self, directory: Path) -> None:
        await self.may_open.wait()


def test_executor_that_hangs_has_one_task_and_one_line(tmp_path: Path) -> None:
    quarantine = Quarantine(lambda *_: "test")
    ref = PluginRef("noting")

    async def run(directory: Path) -> tuple[int, list[str], list[str]]:
        hanging = Hanging()
        executors = OpenExecutors(directory, lambda _: hanging, quarantine)
        executors.warm_up([(ref, "a")])
        await asyncio.sleep(0)
        before = len(asyncio.all_tasks())
        for _ in range(200):
            await asyncio.sleep(10)
            executors.warm_up([(ref, "a")])
        tasks, while_hanging = len(asyncio.all_tasks()) - before, quarantine.problems()
        hanging.may_open.set()
        await executors.open(ref)
        await executors.close(30)
        return tasks, while_hanging, quarantine.problems()

    with captured_log() as log, asyncio.Runner(loop_factory=SkippingLoop) as runner:
        tasks, problems, afterwards = runner.run(run(tmp_path))
    assert tasks <= 1, "the report and no more"
    assert len([line for line in log if "open has not returned" in line]) == 1
    assert len(problems) == 1 and "open has not returned" in problems[0]
    assert afterwards == []


def test_executor_that_fails_after_it_hung_hangs_no_longer(tmp_path: Path) -> None:
    """Its problem is how it failed, until it opens."""
    quarantine, opened = Quarantine(lambda *_: "test"), list[Path]()

    class Failing(Hanging):
        async def open(self, directory: Path) -> None:
            opened.append(directory)
            if len(opened) == 1:
                await asyncio.sleep(60)
                raise ConnectionRefusedError("nothing listens there")

    async def run() -> list[str]:
        executors = OpenExecutors(tmp_path, lambda _: Failing(), quarantine)
        with contextlib.suppress(ConnectionRefusedError):
            await executors.open(PluginRef("noting"))
        problems = quarantine.problems()
        await executors.open(PluginRef("noting"))
        await executors.close(30)
        return problems

    with captured_log(), asyncio.Runner(loop_factory=SkippingLoop) as runner:
        [problem] = runner.run(run())
    assert "nothing listens there" in problem
    assert quarantine.problems() == []


def test_executor_that_opens_hides_none_that_hangs(tmp_path: Path) -> None:
    quarantine = Quarantine(lambda *_: "test")

    async def run() -> list[str]:
        executors = OpenExecutors(tmp_path, lambda ref: Hanging() if ref.options else Noting(), quarantine)
        executors.warm_up([(PluginRef("noting", {"host": "away"}), "a")])
        await asyncio.sleep(60)
        await executors.open(PluginRef("noting"))
        await executors.close(30)
        return quarantine.problems()

    with captured_log(), asyncio.Runner(loop_factory=SkippingLoop) as runner:
        [problem] = runner.run(run())
    assert "open has not returned" in problem


def test_close_ends_the_opening_of_one_that_hangs(tmp_path: Path) -> None:
    async def run() -> int:
        executors = executors_of(tmp_path, Hanging())
        executors.warm_up([(PluginRef("noting"), "a")])
        await asyncio.sleep(1)
        await executors.close(30)
        await asyncio.sleep(1)
        return len(asyncio.all_tasks())

    with captured_log() as log, asyncio.Runner(loop_factory=SkippingLoop) as runner:
        assert runner.run(run()) == 1, "that of the test"
    assert log == []


@pytest.mark.parametrize(("due_in", "is_ahead"), [(timedelta(seconds=15), True), (timedelta(days=30), False)])
def test_keeper_starts_before_a_command_is_due(tmp_path: Path, due_in: timedelta, is_ahead: bool) -> None:
    notes = tmp_path / "executors" / "process"
    job = Job(id="a", command="true", schedule=Once(datetime.now(UTC) + due_in))

    async def run() -> bool:
        async with Scheduler(directory=tmp_path, jobs=[job]):
            await asyncio.to_thread(eventually, lambda: not is_ahead or list_keepers(notes))
            return bool(list_keepers(notes))

    assert asyncio.run(run()) is is_ahead
