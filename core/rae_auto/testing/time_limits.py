"""Time limits of the conformance suites: no plugin makes a test hang for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from rae_auto.toolkit.threads.time_limit import TookTooLong, call_within_limit, call_within_seconds

T = TypeVar("T")
P = ParamSpec("P")

TEST_TIMEOUT_SECONDS = 60.0
"""Time after which a test of a suite fails."""

CANCEL_TIMEOUT_SECONDS = 10.0
"""Time that a cancelled task has to end."""

_GRACE_SECONDS = 10.0

OBSERVERS_OF_ENDS: list[Callable[[asyncio.AbstractEventLoop], None]] = []
"""Called with the loop of a suite before the tasks that are left in it are cancelled."""


def call_pure(function: Callable[..., T], *arguments: Any) -> T:
    """Return the result of a quick method of a plugin. Raises AssertionError where it doesn't return."""
    try:
        return call_within_limit(function, *arguments)
    except TookTooLong as error:
        place = f"{getattr(function, '__name__', function)}({', '.join(map(str, arguments))})"
        raise AssertionError(f"{place} hangs: {error}; end its loop, it should take milliseconds") from None


def limit_calls(function: Callable[P, T], seconds: float) -> Callable[P, T]:
    """Return the function with a time limit; a call that takes longer raises AssertionError with its place."""

    @wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return call_within_seconds(seconds, function, *arguments, **options)
        except TookTooLong as error:
            raise AssertionError(f"the test hangs: {error}; end what it waits for") from None

    return call


def run_within_limit(coroutine: Coroutine[Any, Any, T], name: str, limit: float | None = None) -> T:
    """Run a coroutine like `asyncio.run`, for at most `limit` seconds, and leave behind what ignores its cancellation.

    Raises AssertionError with the name of what has not ended. `limit` defaults to `TEST_TIMEOUT_SECONDS`.
    """
    seconds = TEST_TIMEOUT_SECONDS if limit is None else limit
    try:
        return call_within_seconds(seconds + _GRACE_SECONDS, _run, coroutine, name, seconds)
    except TookTooLong as error:
        problem = f"{name} blocks the event loop: {error}"
        raise AssertionError(f"{problem}; await what takes long, or call it with asyncio.to_thread") from None


def _run(coroutine: Coroutine[Any, Any, T], name: str, seconds: float) -> T:
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(coroutine)
        loop.run_until_complete(asyncio.wait({task}, timeout=seconds))
        if not task.done():
            # A plugin that blocked the loop was interrupted just now: let its error arrive.
            loop.run_until_complete(asyncio.wait({task}, timeout=1))
        if not task.done():
            raise AssertionError(f"{name} has not ended within {seconds:g} s; give what it waits for a time limit")
        return task.result()
    finally:
        _end(loop)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    for observe in OBSERVERS_OF_ENDS:
        observe(loop)
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=CANCEL_TIMEOUT_SECONDS))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
