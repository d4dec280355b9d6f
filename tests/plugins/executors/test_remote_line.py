"""A line to another machine goes on, whatever ends it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from rae_auto.testing.harness.skipping_loop import SkippingLoop
from rae_plugins.executors.remote.line import ProcessLine


class FailingLine(ProcessLine):
    """A line that fails in ways that it doesn't expect, and then opens."""

    idle_seconds = 60.0

    def __init__(self, failures: list[Exception]) -> None:
        super().__init__("nas")
        self._failures = failures

    @property
    def handle(self) -> Mapping[str, Any]:
        return {}

    async def keep_open(self) -> None:
        self.is_open = True
        if self._failures:
            raise self._failures.pop()
        self.problem = None
        await asyncio.Event().wait()


class Listener:
    token = "run.1"

    def resume(self) -> None: ...

    def handle_report(self, report: Mapping[str, Any]) -> None: ...


@pytest.mark.parametrize("error", [KeyError("token"), AttributeError("a list has none"), RuntimeError("anything")])
def test_line_that_ends_by_an_error_is_opened_again(error: Exception) -> None:
    async def scene() -> None:
        line = FailingLine([error, error])
        line.add(Listener())
        await asyncio.sleep(0.5)
        assert not line.is_open and line.problem == f"nas: the line has ended by {error!r}"
        await asyncio.sleep(60)
        assert line.is_open and line.problem is None
        await line.close()

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(scene())
