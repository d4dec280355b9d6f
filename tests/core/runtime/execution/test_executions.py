"""Attempts in the hands of executors that do what they should not: every run ends, with a line that says why."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from tests.support.log_lines import captured_log
from tests.support.runs import make_run

from rae_auto import Job
from rae_auto.api import Assignment, Execution, Executor, NeverStarted
from rae_auto.engine.events import AttemptEnded, AttemptFound, AttemptStarted, Event
from rae_auto.model.guard import Verdict
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Manual
from rae_auto.model.run import Result
from rae_auto.runtime.execution import executions
from rae_auto.runtime.execution.executions import Executions

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = Job(id="a", command="true")
RUN = make_run(run="r", at=NOW, trigger="manual", key="key", cause=Manual(), attempt=1)

Does = Callable[[], Awaitable[Any]]


async def for_ever() -> Any:
    await asyncio.Event().wait()


async def fail() -> Any:
    raise RuntimeError("a bug\nof its own")


async def leave() -> Any:
    sys.exit(3)


class Attempt(Execution):
    """Ends and is cancelled as a test wants."""

    handle: Mapping[str, Any] = {"pid": 5}

    def __init__(self, wait: Does = for_ever, cancel: Does = for_ever) -> None:
        self._wait, self._cancel = wait, cancel
        self.was_cancelled = asyncio.Event()

    async def wait(self) -> Result:
        result: Result = await self._wait()
        return result

    async def cancel(self, grace: timedelta) -> None:
        self.was_cancelled.set()
        await self._cancel()


class Odd(Executor):
    """Starts, finds and closes as a test wants."""

    type = "odd"

    def __init__(self, start: Does = for_ever, find: Does = for_ever, close: Does = asyncio.Event) -> None:
        self._start, self._find, self._close = start, find, close

    async def start(self, assignment: Assignment) -> Execution:
        execution: Execution = await self._start()
        return execution

    async def find(self, assignment: Assignment, handle: Mapping[str, Any] | None) -> Any:
        return await self._find()

    async def close(self) -> None:
        await self._close()


class Desk:
    """Attempts in the hands of one executor, and what is reported of them."""

    def __init__(self, directory: Path, executor: Executor) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.executions = Executions(directory, lambda _: executor, self.events.put_nowait, {})

    async def deliver(self, kind: type[Event]) -> Any:
        """The next thing that is reported, which is of this kind."""
        async with asyncio.timeout(60):
            event = await self.events.get()
        assert isinstance(event, kind), event
        return event


def gives(value: object) -> Does:
    async def give() -> Any:
        return value

    return give


@pytest.fixture
def log() -> Iterator[list[str]]:
    with captured_log() as lines:
        yield lines


@pytest.mark.requirement("R35")
@pytest.mark.parametrize(
    ("wait", "error"),
    [
        (fail, 'its executor "process" of unknown failed: RuntimeError(\'a bug'),
        (leave, 'its executor "process" of unknown failed: SystemExit(3)'),
        (gives("done"), "failed: TypeError(\"wait returned 'done', which is not a Result\")"),
    ],
)
def test_attempt_without_a_result_ends_with_the_reason(tmp_path: Path, wait: Does, error: str) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path, Odd(gives(Attempt(wait))))
        desk.executions.start(RUN, JOB)
        assert (await desk.deliver(AttemptStarted)).handle == {"pid": 5}
        assert error in ((await desk.deliver(AttemptEnded)).result.error or "")
        await desk.executions.close()

    asyncio.run(scene())


class Unreadable(Attempt):
    """Its handle can't be stored."""

    handle = {"path": Path("a")}  # noqa: RUF012


def make_cyclic() -> dict[str, Any]:
    handle: dict[str, Any] = {"pid": 5}
    handle["self"] = [handle]
    return handle


class Cyclic(Attempt):
    """Its handle contains itself."""

    handle = make_cyclic()


async def refuse() -> Any:
    raise OSError("boom")


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (gives(5), "start returned 5, which is not an Execution"),
        (gives(Unreadable(for_ever)), "the handle is not JSON: Object of type PosixPath is not JSON serializable"),
        (gives(Cyclic(for_ever)), "the handle contains itself, or is nested too deeply"),
        (gives(Attempt(gives(Result(value={1})))), "the value of the result is not JSON: Object of type set is not"),
        (gives(Attempt(gives(Result(value=make_cyclic())))), "the value of the result contains itself"),
        (gives(Attempt(gives("done"))), "wait returned 'done', which is not a Result"),
        (gives(Attempt(refuse)), "wait raised OSError('boom')"),
        (for_ever, "start has not returned in the time of the job"),
    ],
)
def test_broken_contract_of_an_executor_is_named_with_line_and_hint(
    tmp_path: Path, log: list[str], start: Does, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rae_auto.runtime.execution.executions.FIND_TIMEOUT_SECONDS", 0.05)

    async def scene() -> None:
        desk = Desk(tmp_path, Odd(start))
        desk.executions.start(RUN, JOB)
        await asyncio.sleep(0)
        if start is for_ever:
            desk.executions.cancel(RUN.id, 1, timedelta(0))
        event = await desk.events.get()
        if isinstance(event, AttemptStarted):
            await desk.deliver(AttemptEnded)
        await desk.executions.close()

    asyncio.run(scene())
    (line,) = [line for line in log if problem in line]
    assert line.startswith('executor "process" of unknown failed (')
    assert re.search(r"\(.*test_executions\.py:\d+\); for its author: ", line)


@pytest.mark.requirement("R35")
def test_attempt_that_cannot_be_ended_is_reported_and_goes_on(tmp_path: Path, log: list[str]) -> None:
    go = asyncio.Event()

    async def until_let_go() -> Result:
        await go.wait()
        return Result(exit_code=0)

    async def scene() -> None:
        attempt = Attempt(until_let_go, fail)
        desk = Desk(tmp_path, Odd(gives(attempt)))
        desk.executions.start(RUN, JOB)
        await desk.deliver(AttemptStarted)
        desk.executions.cancel(RUN.id, 1, timedelta(0))
        await asyncio.wait_for(attempt.was_cancelled.wait(), 60)
        go.set()
        assert (await desk.deliver(AttemptEnded)).result == Result(exit_code=0)
        await desk.executions.close()

    asyncio.run(scene())
    assert any("failed (cancel a): RuntimeError" in line for line in log)


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("find", [fail, leave])
def test_failed_search_for_an_attempt_ends_it_without_delay(tmp_path: Path, find: Does) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path, Odd(find=find))
        await desk.executions.find([(RUN, JOB)])
        assert (
            "its executor could not find out whether it still runs" in (await desk.deliver(AttemptEnded)).result.error
        )
        # No executor has it any more.
        desk.executions.cancel(RUN.id, 1, timedelta(0))
        await desk.executions.close()
        assert desk.events.empty()

    asyncio.run(scene())


@pytest.mark.requirement("R35")
def test_find_that_hangs_delays_no_start_and_is_ended_when_late(
    tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "FIND_TIMEOUT_SECONDS", 0.05)

    async def scene() -> None:
        attempt, go = Attempt(cancel=gives(None)), asyncio.Event()

        async def find() -> Attempt:
            await go.wait()
            return attempt

        desk = Desk(tmp_path, Odd(find=find))
        await desk.executions.find([(RUN, JOB)])
        assert any("has not yet determined" in line for line in log)
        desk.executions.cancel(RUN.id, 1, timedelta(0))
        assert "did not start it in time" in (await desk.deliver(AttemptEnded)).result.error
        go.set()
        await asyncio.wait_for(attempt.was_cancelled.wait(), 60)
        await desk.executions.close()
        assert desk.events.empty()

    asyncio.run(scene())


def test_attempt_of_unknown_outcome_is_reported_as_such(tmp_path: Path) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path, Odd(find=gives(None)))
        await desk.executions.find([(RUN, JOB)])
        assert await desk.deliver(AttemptFound) == AttemptFound(RUN.id, 1, started=True)
        await desk.executions.close()

    asyncio.run(scene())


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("close", [fail, leave])
def test_executor_that_fails_to_close_is_reported(tmp_path: Path, log: list[str], close: Does) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path, Odd(gives(Attempt(gives(Result(exit_code=0)))), close=close))
        desk.executions.start(RUN, JOB)
        await desk.deliver(AttemptStarted)
        await desk.deliver(AttemptEnded)
        await desk.executions.close()

    asyncio.run(scene())
    assert any('executor "odd" failed to close' in line for line in log)


@pytest.mark.requirement("R9")
@pytest.mark.parametrize(("value", "started"), [(None, True), (NeverStarted(), False)])
def test_attempt_elsewhere_may_be_lost_or_never_start(tmp_path: Path, value: object, started: bool) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path, Odd(gives(Attempt(gives(value)))))
        desk.executions.start(RUN, JOB)
        await desk.deliver(AttemptStarted)
        assert await desk.deliver(AttemptFound) == AttemptFound(RUN.id, 1, started=started)
        await desk.executions.close()

    asyncio.run(scene())


def test_cancelled_attempt_is_not_given_up_while_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "GIVE_UP_SECONDS", 0.01)
    back = asyncio.Event()
    looks: list[bool] = []

    class Far(Attempt):
        @property
        def is_out_of_reach(self) -> bool:
            looks.append(True)
            if len(looks) == 3:
                back.set()
            return not back.is_set()

    async def until_back() -> Result:
        await back.wait()
        return Result(exit_code=0)

    async def scene() -> None:
        desk = Desk(tmp_path, Odd(gives(Far(until_back))))
        desk.executions.start(RUN, JOB)
        await desk.deliver(AttemptStarted)
        desk.executions.cancel(RUN.id, 1, timedelta(0))
        assert (await desk.deliver(AttemptEnded)).result == Result(exit_code=0)
        await desk.executions.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("check", "verdict", "reason"),
    [
        (gives(None), Verdict.YES, "it is ready"),
        (gives("nas is away"), Verdict.NO, "nas is away"),
        (fail, Verdict.UNKNOWN, "it failed: a bug of its own"),
    ],
)
def test_readiness_of_an_executor_is_an_answer(tmp_path: Path, check: Does, verdict: Verdict, reason: str) -> None:
    class Waiting(Odd):
        async def check_readiness(self) -> str | None:
            answer: str | None = await check()
            return answer

    async def scene() -> None:
        desk = Desk(tmp_path, Waiting())
        result = await desk.executions.check_readiness(PluginRef("odd"))
        assert (result.verdict, result.reason) == (verdict, reason)
        await desk.executions.close()

    asyncio.run(scene())


class InDaemon(Odd):
    """Starts at once as a test wants; once a first attempt has opened it."""

    runs_in_daemon = True

    def __init__(self, at_once: Callable[[], Execution | None]) -> None:
        super().__init__(start=gives(Attempt(wait=gives(Result(exit_code=0)))))
        self._at_once = at_once

    def start_at_once(self, assignment: Assignment) -> Execution | None:
        return self._at_once()


class Ending(Attempt):
    """Has a future for its end, which a cancellation sets."""

    def __init__(self) -> None:
        super().__init__()
        self._end: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    @property
    def end(self) -> "asyncio.Future[Result]":
        return self._end

    async def cancel(self, grace: timedelta) -> None:
        self._end.set_result(Result(error="stopped"))


async def open_desk(directory: Path, executor: Executor) -> Desk:
    """Return a desk whose executor is open."""
    desk = Desk(directory, executor)
    desk.executions.start(evolve(RUN, id=RunId("first")), JOB)
    await desk.deliver(AttemptStarted)
    await desk.deliver(AttemptEnded)
    return desk


def test_attempt_that_starts_at_once_ends_by_its_future(tmp_path: Path) -> None:
    async def carry_out() -> Result:
        attempt = Ending()
        desk = await open_desk(tmp_path, InDaemon(lambda: attempt))
        desk.executions.start(RUN, JOB)
        attempt.end.set_result(Result(exit_code=7))
        assert await desk.deliver(AttemptStarted) == AttemptStarted(RUN.id, 1, {"pid": 5})
        result: Result = (await desk.deliver(AttemptEnded)).result
        return result

    assert asyncio.run(carry_out()) == Result(exit_code=7)


def test_attempt_that_started_at_once_ends_by_a_cancel(tmp_path: Path) -> None:
    async def carry_out() -> Result:
        desk = await open_desk(tmp_path, InDaemon(Ending))
        desk.executions.start(RUN, JOB)
        await desk.deliver(AttemptStarted)
        desk.executions.cancel(RUN.id, 1, timedelta(0))
        result: Result = (await desk.deliver(AttemptEnded)).result
        await desk.executions.close()
        assert desk.events.empty()
        return result

    assert asyncio.run(carry_out()) == Result(error="stopped")


def test_what_does_not_start_at_once_is_awaited(tmp_path: Path) -> None:
    async def carry_out() -> Result:
        desk = await open_desk(tmp_path, InDaemon(lambda: None))
        desk.executions.start(RUN, JOB)
        await desk.deliver(AttemptStarted)
        result: Result = (await desk.deliver(AttemptEnded)).result
        return result

    assert asyncio.run(carry_out()) == Result(exit_code=0)


def raise_bug() -> Execution:
    raise KeyError("a bug")


def return_nonsense() -> Any:
    return 5


@pytest.mark.parametrize(("at_once", "error"), [(raise_bug, "a bug"), (return_nonsense, "which is not an Execution")])
def test_start_at_once_that_fails_ends_the_attempt(
    tmp_path: Path, at_once: Callable[[], Execution | None], error: str
) -> None:
    async def carry_out() -> str:
        desk = await open_desk(tmp_path, InDaemon(at_once))
        desk.executions.start(RUN, JOB)
        return str((await desk.deliver(AttemptEnded)).result.error)

    assert error in asyncio.run(carry_out())


def test_run_ends_though_its_output_can_not_be_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    async def scene() -> Result:
        desk = Desk(tmp_path, Odd(gives(Attempt(gives(Result(exit_code=4))))))
        monkeypatch.setattr(desk.executions, "_mask_output", lambda *_: fail())
        desk.executions.start(RUN, JOB)
        await desk.deliver(AttemptStarted)
        ended: AttemptEnded = await desk.deliver(AttemptEnded)
        return ended.result

    assert asyncio.run(scene()).exit_code == 4
    assert any("what the attempt has left is not tidied" in line for line in log)
