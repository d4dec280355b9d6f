"""Calls that may hang, each in a thread of its own: they are given up, or reported, after a time.

A file on a mount whose server is gone, a FIFO, a plugin's constructor: a call to them may never return. A thread of its
own, and not one of a pool, because after as many hung calls as a pool has threads every later call would wait too.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from loguru import logger

from rae_auto.runtime.concurrency.worker import Worker

T = TypeVar("T")

SLOW_CALL_SECONDS = 10.0
"""Time after which a call that has not returned is reported."""


def call_in_thread(name: str, function: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
    """Return what the function returns, or raise what it raises; `name` is that of the thread."""
    worker = Worker(name)
    answer = worker.call(function, *args)
    worker.end()
    return answer


async def call_within(seconds: float, name: str, function: Callable[..., T], *args: Any) -> T:
    """Return what the function returns. Raises TimeoutError after this many seconds, and abandons the thread then."""
    async with asyncio.timeout(seconds):
        return await call_in_thread(name, function, *args)


@contextmanager
def reporting_if_slow(seconds: float, report: Callable[[str], object], text: str) -> Iterator[None]:
    """Report a text, from a thread, if the `with` block takes longer than this: the thread that runs it may hang."""
    timer = threading.Timer(seconds, report, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


async def report_if_slow(answer: Awaitable[T], text: str) -> T:
    """Return the answer, however long it takes; after `SLOW_CALL_SECONDS` the text is logged once, as a warning."""
    timer = asyncio.get_running_loop().call_later(SLOW_CALL_SECONDS, logger.warning, "{}", text)
    try:
        return await answer
    finally:
        timer.cancel()
