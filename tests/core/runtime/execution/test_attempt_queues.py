"""Attempts in queues elsewhere: it is reported once, and first, that they left it, whatever their executor does."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from tests.core.runtime.execution.test_executions import JOB, RUN

from rae_auto.api import Assignment, Execution, Executor, NeverStarted
from rae_auto.engine.events import AttemptDequeued, AttemptEnded, AttemptFound, AttemptStarted, Event
from rae_auto.model.run import QueuePlace, Result
from rae_auto.runtime.execution.executions import Executions

PLACE = QueuePlace("tcp://10.0.0.5:8786", "a free worker")
SUCCEEDED = Result(exit_code=0)


@define(eq=False)
class Queued(Execution):
    """Leaves its queue this long ago, or never, or with an error; then it ends."""

    ago: timedelta | Exception | None
    outcome: Any = SUCCEEDED
    handle: Mapping[str, Any] = field(factory=dict)
    queue = PLACE
    taken_by = "worker gpu-1"

    async def leave_queue(self) -> timedelta | None:
        if isinstance(self.ago, Exception):
            raise self.ago
        return self.ago

    async def wait(self) -> Any:
        return self.outcome

    async def cancel(self, grace: timedelta) -> None:
        raise NotImplementedError


class Cluster(Executor):
    """Puts the attempt into its queue, or finds it there."""

    type = "cluster"

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    async def start(self, assignment: Assignment) -> Execution:
        return self._execution

    async def find(self, assignment: Assignment, handle: Mapping[str, Any] | None) -> Execution:
        return self._execution


async def carry_out(directory: Path, execution: Execution, *, is_adopted: bool = False) -> list[Event]:
    """Start an attempt, or find it again; return what is reported, up to its end."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    executions = Executions(directory, lambda _: Cluster(execution), events.put_nowait, {})
    if is_adopted:
        await executions.find([(RUN, JOB)])
    else:
        executions.start(RUN, JOB)
    found: list[Event] = []
    async with asyncio.timeout(60):
        while not found or not (isinstance(found[-1], AttemptEnded) or getattr(found[-1], "started", True) is False):
            found.append(await events.get())
    await executions.close()
    return found


@pytest.mark.parametrize("ago", [timedelta(seconds=3), RuntimeError("a bug")], ids=str)
def test_end_of_a_queue_elsewhere_is_reported_once(tmp_path: Path, ago: timedelta | Exception) -> None:
    started, left, ended = asyncio.run(carry_out(tmp_path, Queued(ago)))
    assert isinstance(started, AttemptStarted) and started.queue == PLACE
    taken = (ago, "worker gpu-1") if isinstance(ago, timedelta) else (timedelta(0), "")
    assert left == AttemptDequeued(RUN.id, 1, *taken)
    assert isinstance(ended, AttemptEnded)


def test_attempt_that_ends_in_its_queue_never_starts(tmp_path: Path) -> None:
    events = asyncio.run(carry_out(tmp_path, Queued(None, NeverStarted())))
    assert [type(event) for event in events] == [AttemptStarted, AttemptFound]


def test_adopted_attempt_reports_when_it_left_its_queue(tmp_path: Path) -> None:
    found, left, _ = asyncio.run(carry_out(tmp_path, Queued(timedelta(minutes=3)), is_adopted=True))
    assert isinstance(found, AttemptFound) and found.queue == PLACE
    assert left == AttemptDequeued(RUN.id, 1, timedelta(minutes=3), "worker gpu-1")
