"""Calls that may never return: a look at a mount with a dead server, a resolver without a network.

Such a call gets a daemon thread of its own. In asyncio's few threads it would delay others, and the end of the
program. There is one call at a time for each subject, and concurrent callers wait for it, so that something that hangs
for a day costs one thread.
"""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")

_calls: dict[Hashable, "Future[Any]"] = {}
_lock = Lock()


async def call_with_timeout(what: Hashable, function: Callable[[], T], seconds: float) -> T:
    """Return what the function returns, or raise what it raises; TimeoutError after the limit, and it goes on.

    `what` must distinguish calls that may have different results.
    """
    return await asyncio.wait_for(asyncio.wrap_future(_start_call(what, function)), seconds)


def _start_call(what: Hashable, function: Callable[[], T]) -> "Future[T]":
    with _lock:
        if what in _calls:
            return _calls[what]
        future: Future[T] = Future()
        # From here on a caller that gives up can't cancel it for others.
        future.set_running_or_notify_cancel()
        _calls[what] = future
    Thread(target=_run_call, args=(what, function, future), daemon=True, name="rae-look").start()
    return future


def _run_call(what: Hashable, function: Callable[[], T], future: "Future[T]") -> None:
    try:
        result = function()
    except BaseException as error:
        outcome: Callable[[], None] = lambda error=error: future.set_exception(error)  # type: ignore[misc]  # noqa: E731
    else:
        outcome = lambda: future.set_result(result)  # noqa: E731
    with _lock:
        del _calls[what]
    outcome()
