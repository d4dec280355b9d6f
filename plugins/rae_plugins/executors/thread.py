"""The thread executor: calls Python functions in a pool of threads."""

import asyncio
import importlib
import json
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from typing import Any, ClassVar

from attrs import define, field, validators

from rae_auto.api import Assignment, Execution, Executor
from rae_auto.hookspecs import hookimpl
from rae_auto.model.job import Job
from rae_auto.model.run import Result

MAX_VALUE_CHARACTERS = 4096
"""Characters of a returned value that are kept with the run."""

MAX_ERROR_CHARACTERS = 500

ABANDONED_ERROR = "abandoned: a thread cannot be killed, so the call continues in the background"


@define(kw_only=True, eq=False)
class ThreadExecutor(Executor):
    """Calls `python = "package.module:function"` with the job's args and kwargs in a pool of threads.

    The value it returns, or the exception it raises, is the result. A thread can't be killed: a cancelled call is
    abandoned after the grace, and continues in its thread until it returns.
    """

    type: ClassVar[str] = "thread"

    threads: int = field(default=32, validator=validators.ge(1), metadata={"help": "number of calls that run at once"})
    _pool: "CallThreads | None" = field(init=False, default=None)

    async def open(self, directory: Path) -> None:
        """Create the pool; its threads start when they are needed."""
        self._pool = CallThreads(self.threads)

    async def start(self, assignment: Assignment) -> Execution:
        """Submit the call. Errors: ValueError if the job names no function."""
        if assignment.job.python is None:
            raise ValueError('the thread executor needs python = "package.module:function"')
        assert self._pool is not None, "open must be called before start"
        return FunctionCall(self._pool.submit(_call_function, assignment.job, assignment.output))

    async def close(self) -> None:
        """Close the pool without waiting for calls."""
        if self._pool is not None:
            self._pool.close()


class CallThreads:
    """Threads for calls, as many as there are calls and at most `max_threads`.

    They are daemon threads, unlike those of `concurrent.futures`: Python would wait for a call that hangs before it
    exits, for ever.
    """

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._calls: deque[tuple[Future[Result], Callable[[], Result]]] = deque()
        self._is_ready = Condition()
        self._threads = self._idle = 0
        self._is_closed = False

    def submit(self, function: Callable[..., Result], *args: Any) -> "Future[Result]":
        """Call the function in a thread, as soon as one is free."""
        future: Future[Result] = Future()
        with self._is_ready:
            self._calls.append((future, partial(function, *args)))
            if self._idle >= len(self._calls):
                self._is_ready.notify()
            elif self._threads < self._max_threads:
                self._threads += 1
                Thread(target=self._work, name=f"rae-job-{self._threads}", daemon=True).start()
        return future

    def close(self) -> None:
        """Begin no other call, and cancel those that wait."""
        with self._is_ready:
            self._is_closed = True
            while self._calls:
                self._calls.pop()[0].cancel()
            self._is_ready.notify_all()

    def _work(self) -> None:
        while True:
            with self._is_ready:
                self._idle += 1
                self._is_ready.wait_for(lambda: self._calls or self._is_closed)
                self._idle -= 1
                if not self._calls:
                    return
                future, call = self._calls.popleft()
            if future.set_running_or_notify_cancel():
                future.set_result(call())


class FunctionCall(Execution):
    """A function call under way. Its handle is empty: the call ends with the daemon, so there is nothing to find."""

    def __init__(self, call: "Future[Result]") -> None:
        self._thread_call = call
        self._call = asyncio.wrap_future(call)
        self._abandoned: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    @property
    def handle(self) -> Mapping[str, Any]:
        return {}

    async def wait(self) -> Result:
        done, _ = await asyncio.wait({self._call, self._abandoned}, return_when=asyncio.FIRST_COMPLETED)
        first = self._call if self._call in done else self._abandoned
        return Result(error="cancelled before it started") if first.cancelled() else first.result()

    async def cancel(self, grace: timedelta) -> None:
        # Not the wrapped future, which can be cancelled while the call continues.
        if self._thread_call.cancel():
            return
        await asyncio.wait({self._call}, timeout=grace.total_seconds())
        if not self._call.done() and not self._abandoned.done():
            self._abandoned.set_result(Result(error=ABANDONED_ERROR))


def _call_function(job: Job, output: Path) -> Result:
    try:
        value = _import_function(job.python or "")(*job.args, **job.kwargs)
    except BaseException as error:  # SystemExit too: a job must not end the daemon
        with suppress(OSError):
            output.write_text(traceback.format_exc())
        return Result(exit_code=1, error=_describe_error(error))
    return Result(exit_code=0, value=_shorten_value(value))


def _import_function(name: str) -> Any:
    module, _, path = name.partition(":")
    target: Any = importlib.import_module(module)
    for part in path.split("."):
        target = getattr(target, part)
    return target


def _shorten_value(value: Any) -> Any:
    """Return the value if JSON can hold it and it is small, otherwise the beginning of its repr."""
    if value is None:
        return None
    try:
        if len(json.dumps(value, allow_nan=False)) <= MAX_VALUE_CHARACTERS:
            return value
    except (TypeError, ValueError, RecursionError):
        pass
    return repr(value)[:MAX_VALUE_CHARACTERS]


def _describe_error(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:MAX_ERROR_CHARACTERS] if text else type(error).__name__


@hookimpl
def rae_executors() -> list[type[Executor]]:
    """Return the thread executor."""
    return [ThreadExecutor]
