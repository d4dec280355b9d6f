"""A thread for calls that may block, and may never return."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Calls functions one after another. A call that hangs doesn't keep the process alive, unlike one in a pool."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def call(self, function: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        """Return what the function returns, or raise what it raises, in its turn."""
        future: Future[T] = Future()
        self._calls.put((future, partial(function, *args)))
        return asyncio.wrap_future(future)

    def end(self) -> None:
        """Finish the calls requested so far, and accept no more."""
        self._calls.put(None)

    def _work(self) -> None:
        while call := self._calls.get():
            future, function = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
