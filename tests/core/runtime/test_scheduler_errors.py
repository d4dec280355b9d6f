"""Bad arguments and bad moments: no call of a program ends the scheduler."""

import asyncio
import threading
from datetime import datetime
from pathlib import Path

import pytest
from attrs import evolve
from loguru import logger
from tests.support.control_peer import in_time
from tests.support.waiting import eventually

from rae_auto import InvalidJob, Job, NotStarted, RunState, Scheduler, SchedulerClosed
from rae_auto.api.store import LogQuery
from rae_auto.engine import engine as engine_module
from rae_auto.engine.commands import SetPaused
from rae_auto.engine.events import AttemptEnded
from rae_auto.errors import BadRequest, InternalError
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime import engine_loop, silence_library
from rae_auto.testing.memory_store import MemoryStore

JOB = Job(name="a", python="time:time")


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("event", [{"what": object()}, {"names": {7: "seven"}}, ["no object"], {"size": float("inf")}])
def test_an_event_that_no_store_can_keep_is_refused(tmp_path, event):
    async def work():
        async with Scheduler(directory=tmp_path, store="json", jobs=[JOB]) as scheduler:
            with pytest.raises(BadRequest, match="event"):
                await scheduler.trigger("a", event=event)
            return await scheduler.wait(await scheduler.trigger("a", event={"pair": (1, 2)}))

    assert in_time(work).event == {"pair": [1, 2]}


@pytest.mark.requirement("R35")
def test_a_request_is_text(tmp_path):
    async def work():
        async with Scheduler(directory=tmp_path, store="json", jobs=[JOB]) as scheduler:
            with pytest.raises(BadRequest, match="trigger: request must be text, not the number 7"):
                await scheduler.trigger("a", request=7)
            return await scheduler.wait(await scheduler.trigger("a"))

    assert in_time(work).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"states": ["fail"]}, 'unknown state "fail"; did you mean "failed"?'),
        ({"states": "failed"}, 'history: states must be a list of texts, not the text "failed"'),
        ({"limit": -1}, '"limit" must be a number from 1 to 100,000'),
        ({"since": "yesterday"}, 'history: since must be a datetime with an offset, not the text "yesterday"'),
        ({"until": datetime(2026, 1, 31)}, "until: instant 2026-01-31T00:00:00 has no offset"),
    ],
)
def test_history_refuses_queries_that_can_not_be_meant(tmp_path, query, message):
    async def ask():
        async with Scheduler(directory=tmp_path, store="json") as scheduler:
            with pytest.raises(BadRequest) as refused:
                await scheduler.history(**query)
            return str(refused.value)

    assert in_time(ask).startswith(message)


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("fields", [{"args": [object()]}, {"kwargs": {"x": {1, 2}}}])
def test_a_job_that_no_store_can_keep_is_refused(tmp_path, fields):
    async def work():
        async with Scheduler(directory=tmp_path, store="json", jobs=[JOB]) as scheduler:
            with pytest.raises(InvalidJob, match='job "b": holds what no store can keep'):
                await scheduler.add_job(Job(name="b", python="time:time", **fields))
            return [job.id for job in await scheduler.list_jobs()]

    assert in_time(work) == ["a"]


class SlowToRead(MemoryStore):
    """Answers a query as of its beginning, once it may; at once until it is made slow, as a start reads logs too."""

    slow = False

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def query(self, log, query: LogQuery):
        found = list(super().query(log, query))
        if self.slow:
            self.asked.set()
            assert self.may_answer.wait(60)
        return found


def test_a_run_that_ends_while_the_history_is_read_is_in_it(tmp_path: Path):
    store, go = SlowToRead(), tmp_path / "go"
    job = Job(name="a", shell=f"until test -e {go}; do sleep 0.01; done")

    async def work():
        async with Scheduler(directory=tmp_path / "state", store=store, jobs=[job]) as scheduler:
            run = await scheduler.trigger("a")
            # What is written of its start must not wait behind the slow reading.
            await asyncio.to_thread(eventually, lambda: scheduler.runtime.engine.run(run).run.state is RunState.RUNNING)

            def end_meanwhile():
                assert store.asked.wait(60)
                go.touch()
                eventually(lambda: scheduler.runtime.engine.run(run) is None)
                store.may_answer.set()

            store.slow = True
            thread = threading.Thread(target=end_meanwhile)
            thread.start()
            history = await scheduler.history()
            thread.join()
            return run, history

    run, history = in_time(work)
    assert [found.id for found in history] == [run]


class OddStore(MemoryStore):
    """Raises once what no store should."""

    odd = False

    def commit(self, changes):
        if self.odd:
            self.odd = False
            raise ZeroDivisionError("oh no")
        super().commit(changes)


@pytest.mark.requirement("R35")
def test_a_store_that_raises_what_it_should_not_is_tried_again(tmp_path):
    store = OddStore()

    async def work():
        async with Scheduler(directory=tmp_path, store=store, jobs=[JOB]) as scheduler:
            store.odd = True
            return await scheduler.wait(await scheduler.trigger("a"))

    assert in_time(work).state is RunState.SUCCEEDED
    assert not store.odd


@pytest.mark.requirement("R35")
def test_a_fault_in_a_handler_is_an_answer_and_a_line_in_the_log(tmp_path, monkeypatch):
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}")
    logger.enable("rae_auto")
    monkeypatch.setitem(engine_module._HANDLERS, SetPaused, lambda *_: 1 / 0)

    async def work():
        async with Scheduler(directory=tmp_path, jobs=[JOB]) as scheduler:
            with pytest.raises(InternalError, match="division by zero"):
                await scheduler.pause("a")
            return await scheduler.wait(await scheduler.trigger("a"))

    try:
        assert in_time(work).state is RunState.SUCCEEDED
    finally:
        logger.remove(sink)
        silence_library()
    assert [line for line in lines if "of SetPaused: ZeroDivisionError" in line], lines


def test_a_fact_that_could_not_be_handled_is_handled_later(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_loop, "FAULT_RETRY_SECONDS", 0.05)
    original, faults = engine_module._HANDLERS[AttemptEnded], [1, 2]

    def handler(turn, event):
        if faults:
            raise RuntimeError(faults.pop())
        original(turn, event)

    monkeypatch.setitem(engine_module._HANDLERS, AttemptEnded, handler)

    async def work():
        async with Scheduler(directory=tmp_path, jobs=[JOB]) as scheduler:
            return await scheduler.wait(await scheduler.trigger("a"))

    assert in_time(work).state is RunState.SUCCEEDED
    assert not faults


def test_failing_engine_ends_the_scheduler_without_a_hang(tmp_path, monkeypatch):
    async def work():
        async with Scheduler(directory=tmp_path, jobs=[JOB]) as scheduler:
            monkeypatch.setattr(scheduler.runtime.engine, "handle", lambda *_: 1 / 0)
            with pytest.raises(SchedulerClosed):
                await scheduler.trigger("a")

    with pytest.raises(ZeroDivisionError):
        in_time(work)
    monkeypatch.undo()

    async def afterwards():
        async with Scheduler(directory=tmp_path, jobs=[JOB]) as scheduler:
            return await scheduler.wait(await scheduler.trigger("a"))

    # It has let the store go.
    assert in_time(afterwards).state is RunState.SUCCEEDED


def test_jobs_are_added_in_any_order(tmp_path):
    async def work():
        async with Scheduler(directory=tmp_path) as scheduler:
            needy = evolve(JOB, id="c", name="c", needs=["b"])
            added = await scheduler.add_jobs([needy, *(evolve(JOB, id=name, name=name) for name in "ab")])
            assert {info.id for info in await scheduler.list_jobs()} == {"a", "b", "c"}
            with pytest.raises(InvalidJob, match="does not exist"):
                await scheduler.add_jobs([evolve(JOB, id="d", name="d", needs=["nosuch"])])
            return added

    assert in_time(work) == ["c", "a", "b"]


def test_a_stored_job_without_its_plugin_is_held_alone(tmp_path, monkeypatch):
    async def before():
        async with Scheduler(directory=tmp_path) as scheduler:
            await scheduler.add_jobs([evolve(JOB, id=name, name=name) for name in "ab"])

    in_time(before)
    original = PluginFactory.plan

    def plan(self, job, origin):
        if job.id == "a":
            raise InvalidJob('job "a": no plugin "moon"')
        return original(self, job, origin)

    async def without():
        async with Scheduler(directory=tmp_path) as scheduler:
            with pytest.raises(NotStarted, match="moon"):
                await scheduler.trigger("a")
            run = await scheduler.wait(await scheduler.trigger("b"))
            return run.state, scheduler.runtime.job_problems

    with monkeypatch.context() as patch:
        patch.setattr(PluginFactory, "plan", plan)
        state, messages = in_time(without)
    assert state is RunState.SUCCEEDED
    assert messages == ['job "a": no plugin "moon"; it starts nothing']

    async def with_it():
        async with Scheduler(directory=tmp_path) as scheduler:
            return await scheduler.wait(await scheduler.trigger("a"))

    assert in_time(with_it).state is RunState.SUCCEEDED
