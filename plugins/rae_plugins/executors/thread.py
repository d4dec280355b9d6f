"""Calls a Python function in a thread."""

import asyncio
import importlib
import json
import traceback
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import define, field, validators

from rae_auto.api import Assignment, Execution, Executor
from rae_auto.hookspecs import hookimpl
from rae_auto.model.job import Job
from rae_auto.model.run import Result

VALUE_LIMIT = 4096
"""Characters of a returned value that are kept."""


@define(kw_only=True, eq=False)
class ThreadExecutor(Executor):
    """Calls `python = "package.module:function"` with the job's args and kwargs in a pool of threads.

    What it returns, or the exception that it raises, is the outcome. A thread can't be killed: a cancelled call is
    given up after the grace, and goes on in its thread until it returns.
    """

    type: ClassVar[str] = "thread"

    threads: int = field(default=32, validator=validators.ge(1), metadata={"help": "how many calls run at once"})
    _pool: ThreadPoolExecutor | None = field(init=False, default=None)

    async def open(self, directory: Path) -> None:
        """Make the pool; its threads come as they are needed."""
        self._pool = ThreadPoolExecutor(self.threads, "rae-job")

    async def start(self, assignment: Assignment) -> Execution:
        """Submit the call."""
        if assignment.job.python is None:
            raise ValueError('the thread executor needs python = "package.module:function"')
        assert self._pool is not None, "open comes before start"
        return _Call(self._pool.submit(_outcome, assignment.job, assignment.output))

    async def close(self) -> None:
        """Wait for no call."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


class _Call(Execution):
    """A function call in hand. Its handle finds nothing after a crash: the call dies with the daemon."""

    def __init__(self, call: "Future[Result]") -> None:
        self._thread_call = call
        self._call = asyncio.wrap_future(call)
        self._given_up: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    @property
    def handle(self) -> Mapping[str, Any]:
        return {}

    async def wait(self) -> Result:
        done, _ = await asyncio.wait({self._call, self._given_up}, return_when=asyncio.FIRST_COMPLETED)
        first = self._call if self._call in done else self._given_up
        return Result(error="cancelled before it began") if first.cancelled() else first.result()

    async def cancel(self, grace: timedelta) -> None:
        # Not the wrapped one, which could be cancelled while the call goes on.
        if self._thread_call.cancel():
            return
        await asyncio.wait({self._call}, timeout=grace.total_seconds())
        if not self._call.done() and not self._given_up.done():
            self._given_up.set_result(Result(error="given up: a thread can't be killed, and the call goes on in it"))


def _outcome(job: Job, output: Path) -> Result:
    try:
        value = _function(job.python or "")(*job.args, **job.kwargs)
    except BaseException as error:  # also SystemExit: a job must not end the daemon
        with suppress(OSError):
            output.write_text(traceback.format_exc())
        return Result(exit_code=1, error=_one_line(error))
    return Result(exit_code=0, value=_kept(value))


def _function(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _kept(value: Any) -> Any:
    """The value where JSON can hold it and it is small, else as much of its text as is kept."""
    if value is None:
        return None
    try:
        if len(json.dumps(value, allow_nan=False)) <= VALUE_LIMIT:
            return value
    except (TypeError, ValueError, RecursionError):
        pass
    return repr(value)[:VALUE_LIMIT]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__


@hookimpl
def rae_executors() -> list[type[Executor]]:
    """The thread executor."""
    return [ThreadExecutor]
