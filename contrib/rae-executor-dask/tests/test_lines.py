"""Lines to workers that answer too little, too much, nonsense or nothing: no request waits for ever."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rae_executor_dask.cluster.settings import ClusterSettings
from rae_executor_dask.cluster.worker_line import Callbacks, Unreachable, WorkerLine

from rae_auto.testing.harness.skipping_loop import SkippingLoop

SCHEDULER = "tcp://10.0.0.5:8786"

BATCH = {"relay": "r", "answers": [None]}


def make_line(call: Any, handle_reports: Any = lambda _: None, report_failure: Any = lambda _: None) -> WorkerLine:
    callbacks = Callbacks(call, handle_reports, report_failure, asyncio.create_task)
    return WorkerLine("tcp://10.0.0.6:1", "helper", callbacks)


def play_skipping(scene: Any) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(3600):
            return await scene()

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(limited())


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        ("closed", Unreachable),
        (OSError("a fault of the helper"), OSError),
        ({}, Unreachable),
        ({"relay": "r", "answers": []}, Unreachable),
        ({"relay": "r", "answers": [None, None]}, Unreachable),
        ({"relay": "r", "answers": ["gone"]}, Unreachable),
        ({"relay": "r", "answers": None}, Unreachable),
        ({"answers": [None]}, Unreachable),
    ],
)
def test_each_request_has_an_end_and_the_line_goes_on(reply: Any, end: type[Exception]) -> None:
    async def scene() -> list[Any]:
        asked, replied, replies = asyncio.Event(), asyncio.Event(), [reply]

        async def call(*_: Any) -> Any:
            asked.set()
            await replied.wait()
            answer = replies.pop() if replies else BATCH
            if isinstance(answer, Exception):
                raise answer
            return answer

        line = make_line(call)
        under_way = asyncio.create_task(line.send({"do": "spawn"}))
        await asked.wait()
        queued = asyncio.create_task(line.send({"do": "end"}))
        await asyncio.sleep(1)
        if reply == "closed":
            line.close()
        replied.set()
        return await asyncio.gather(under_way, queued, return_exceptions=True)

    under_way, queued = play_skipping(scene)
    assert type(under_way) is end
    assert isinstance(queued, Unreachable) if reply == "closed" else queued == ("r", None)


@pytest.mark.parametrize("reply", [{}, {"reports": None}, {"reports": ["all is well"]}, {"reports": [{"ended": {}}]}])
def test_worker_whose_reports_make_no_sense_counts_as_silent(reply: Any) -> None:
    """So its attempts are looked for, and meanwhile shown as out of reach."""

    async def scene() -> list[str]:
        silent: list[str] = []

        async def call(*_: Any) -> Any:
            return reply

        def report_failure(address: str) -> None:
            silent.append(address)
            line.users.clear()

        line = make_line(call, report_failure=report_failure)
        line.add(SimpleNamespace(token="run.1", run="run", offset=0, is_reported=False))
        await asyncio.sleep(60)
        return silent

    assert play_skipping(scene) == ["tcp://10.0.0.6:1"]


def test_requests_sent_at_once_share_one_batch_and_one_task() -> None:
    async def scene() -> list[Any]:
        batches: list[Any] = []

        async def call(_: str, message: dict[str, Any], __: float) -> Any:
            batches.append([one["do"] for one in message["messages"]])
            await asyncio.sleep(1)
            return {"relay": "r", "answers": [{"n": one["do"]} for one in message["messages"]]}

        line = make_line(call)
        answers = await asyncio.gather(*(line.send({"do": number}) for number in range(5)))
        assert answers == [("r", {"n": number}) for number in range(5)]
        return batches

    assert play_skipping(scene) == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("answer", ["not JSON", "[]", "null", None, b"pickled"])
def test_invalid_reply_makes_its_worker_unreachable(answer: Any, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    from rae_executor_dask.cluster.connection import ClusterConnection
    from rae_executor_dask.cluster.relay_program import RelayProgram

    async def scene() -> None:
        async def broadcast(**_: Any) -> dict[str, Any]:
            return {"tcp://10.0.0.6:1": answer}

        async def run(*_: Any, **__: Any) -> None: ...

        settings = ClusterSettings(SCHEDULER, str(tmp_path), "~", 60.0)
        connection = ClusterConnection(settings, "topic", RelayProgram("~", 60.0))
        connection.client = SimpleNamespace(scheduler=SimpleNamespace(broadcast=broadcast), run=run)
        with pytest.raises(Unreachable):
            await connection.call("tcp://10.0.0.6:1", {"do": "hello"}, 3.0)

    play_skipping(scene)


@pytest.mark.parametrize("part", ["_take", "_handle_claim", "_permit", "_forget", "_answer_ready", "_handle_reports"])
def test_failure_of_any_task_ends_the_helper(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an attempt would wait for ever, and nothing would say so."""
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    from rae_executor_dask.cluster import helper

    claim = {"token": "run.1", "relay": "r", "address": "tcp://10.0.0.6:1", "place": "p", "boot": "b", "pids": "q"}
    work = {"name": "a", "labels": [], "resources": {}, "priority": 0, "request": {}}

    async def scene() -> None:
        async def call(_: str, message: dict[str, Any], __: float) -> dict[str, Any]:
            if message["do"] == "poll":
                await asyncio.sleep(message["seconds"])
                return {"relay": "r", "reports": []}
            return BATCH

        async def to_thread(function: Any, *arguments: Any) -> Any:
            return function(*arguments)

        def fail(*_: Any) -> None:
            raise ZeroDivisionError(part)

        async def keep_connected(*_: Any) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(helper.asyncio, "to_thread", to_thread)
        monkeypatch.setattr(helper.ClusterConnection, "keep", keep_connected)
        monkeypatch.setattr(helper.ClusterConnection, "call", lambda _, *arguments: call(*arguments))

        async def fail_later(*_: Any) -> None:
            fail()

        monkeypatch.setattr(helper.Helper, part, fail if part == "_handle_reports" else fail_later)
        one = helper.Helper(ClusterSettings(SCHEDULER, str(tmp_path), "~", 60.0), lambda _: None)
        working = asyncio.create_task(one.run())
        one.handle({"do": "ready", "id": 1, "labels": [], "resources": {}})
        one.handle({"do": "spawn", "token": "run.1", "run": "run", "request": work})
        await asyncio.sleep(1)
        one._handle_event(claim)
        await asyncio.sleep(10)
        one.handle({"do": "done", "token": "run.1"})
        with pytest.raises(ZeroDivisionError, match=part):
            await working

    play_skipping(scene)
