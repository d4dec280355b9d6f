"""Lines that break around the request of an attempt: it is not shown as running before the host has confirmed it."""

import asyncio
import fcntl
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attempts import output, run_directory, starts, until
from cuts import CUTTER
from rae_executor_ssh import SshExecutor, executor, host_link

from rae_auto.api import Execution, NeverStarted
from rae_auto.model.run import QueuePlace, Result

LIMIT_SECONDS = 50.0
AWAY = "out 0 0\n" * 5_000
"""Plans by which no connection comes about."""

PLACE = QueuePlace("box", "an answer", may_have_started=True)
WITHIN_THE_REQUEST = "out 1 5"
AFTER_THE_REQUEST = "in 1 1"
"""The host answers the daemon's first question after it has handled the request, and before it reports the start."""


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await scene()

    asyncio.run(limited())


class Line:
    """The line to the host, which is this machine: cut as planned, and then away, or there."""

    def __init__(self, plans: Path) -> None:
        self._plans = plans
        self.restore()

    def cut(self, plan: str) -> None:
        self._write(f"{plan}\n{AWAY}")

    def is_cut(self) -> bool:
        return Path(f"{self._plans}.cut").exists()

    def restore(self) -> None:
        self._write("")

    def _write(self, plans: str) -> None:
        with self._plans.open("a") as file:
            # As the stand-in for ssh, which takes its plan from there.
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(plans)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    path = tmp_path / "plans"
    monkeypatch.setattr(host_link, "build_command", lambda *_: (sys.executable, CUTTER, str(path), sys.executable))
    monkeypatch.setattr(host_link, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(host_link, "MAX_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(executor, "CONFIRM_SECONDS", 0.5)
    return Line(path)


@pytest.fixture
def make(tmp_path: Path, line: Line) -> Callable[[], SshExecutor]:
    """Return a function that makes an executor for a host that has the agent."""

    def make_one() -> SshExecutor:
        return SshExecutor(host="box", python=sys.executable, directory=str(tmp_path / "remote"))

    async def ship() -> None:
        one = make_one()
        while await one.check_readiness():
            pass
        await one.close()

    run(ship)
    return make_one


@pytest.mark.parametrize("cut", [WITHIN_THE_REQUEST, AFTER_THE_REQUEST])
def test_start_is_confirmed_when_the_line_is_back(
    line: Line, make: Callable[[], SshExecutor], assign: Any, cut: str
) -> None:
    async def scene() -> None:
        line.cut(cut)
        one = make()
        attempt = assign("date +%s.%N; until [ -e go ]; do sleep 0.02; done; exit 7")
        execution = await one.start(attempt)
        assert execution.queue == PLACE
        await until(line.is_cut)
        leaving = asyncio.ensure_future(execution.leave_queue())
        has_arrived = cut == AFTER_THE_REQUEST
        await until(lambda: starts(attempt) == has_arrived)
        assert not leaving.done(), "it counts as running"
        line.restore()
        ago, now = await leaving, time.time()
        await until(lambda: bool(output(attempt)))
        # The clock of the host is that of this machine.
        assert ago is not None and abs(now - ago.total_seconds() - float(output(attempt))) < 1.0
        (Path(attempt.job.cwd) / "go").touch()
        result = await execution.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, starts(attempt)) == (7, 1)
        await one.close()

    run(scene)


def test_start_that_is_confirmed_at_once_waits_in_no_queue(
    line: Line, make: Callable[[], SshExecutor], assign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "CONFIRM_SECONDS", LIMIT_SECONDS)

    async def scene() -> None:
        one = make()
        execution = await one.start(assign("sleep 0.2; exit 3"))
        assert execution.queue is None
        result = await execution.wait()
        assert isinstance(result, Result) and result.exit_code == 3
        await one.close()

    run(scene)


@pytest.mark.parametrize("cut", [WITHIN_THE_REQUEST, AFTER_THE_REQUEST])
def test_attempt_cancelled_before_it_is_confirmed_does_not_start_later(
    line: Line, make: Callable[[], SshExecutor], assign: Any, cut: str
) -> None:
    async def scene() -> None:
        line.cut(cut)
        one = make()
        attempt = assign("sleep 300")
        execution = await one.start(attempt)
        await until(line.is_cut)
        has_arrived = cut == AFTER_THE_REQUEST
        await until(lambda: starts(attempt) == has_arrived)
        await execution.cancel(timedelta(0))
        line.restore()
        end = await execution.wait()
        if has_arrived:
            assert isinstance(end, Result) and end.exit_code != 0
        else:
            assert end == NeverStarted()
            assert await execution.leave_queue() is None
        assert starts(attempt) == has_arrived
        await one.close()

    run(scene)


def test_new_daemon_does_not_know_either(line: Line, make: Callable[[], SshExecutor], assign: Any) -> None:
    """The daemon is replaced while the start is not confirmed, and the attempt ends meanwhile: its times are true."""

    async def scene() -> None:
        line.cut(AFTER_THE_REQUEST)
        first, second = make(), make()
        attempt = assign("echo begun; exit 5")
        execution = await first.start(attempt)
        assert execution.queue == PLACE
        await until(line.is_cut)
        await first.close()
        await until((run_directory(second, attempt) / "out.exit").exists)
        ended = time.monotonic()
        found = await second.find(attempt, execution.handle)
        assert isinstance(found, Execution) and found.queue == PLACE
        line.restore()
        ago = await found.leave_queue()
        assert ago is not None and ago.total_seconds() >= time.monotonic() - ended - 0.1
        result = await found.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, output(attempt), starts(attempt)) == (5, "begun\n", 1)
        assert result.ended_at is not None
        await second.close()

    run(scene)
