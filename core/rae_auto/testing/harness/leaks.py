"""Checks that a test leaves nothing behind: threads, tasks, and a loop that was blocked."""

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rae_auto.testing.time_limits import OBSERVERS_OF_ENDS

BLOCKED_SECONDS = 0.1
"""Time that one step of a coroutine may take; a busy machine makes it longer, so slow steps count by their CPU."""

END_SECONDS = 1.0

_OWN_THREADS = ("time-limit", "asyncio_", "ThreadPoolExecutor")


@contextmanager
def watch_for_leaks() -> Iterator[None]:
    """Raise AssertionError at the end for threads that are left, tasks that are pending, and steps that took long."""
    before = set(threading.enumerate())
    found: list[str] = []
    original = asyncio.events.Handle._run
    tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def run_measured(handle: Any) -> None:
        began = time.thread_time()
        try:
            original(handle)
        finally:
            owner = getattr(getattr(handle, "_callback", None), "__self__", None)
            if isinstance(owner, asyncio.Task):
                tasks.add(owner)
            took = time.thread_time() - began
            if took > BLOCKED_SECONDS:
                found.append(f"{_describe(handle)} kept the event loop busy for {took:.1f} s; use asyncio.to_thread")

    # asyncio has no other place to measure steps of a loop that a test makes itself.
    asyncio.events.Handle._run = run_measured  # type: ignore[assignment,method-assign]
    try:
        with _watch_ends_of_loops(found):
            yield
    finally:
        asyncio.events.Handle._run = original  # type: ignore[method-assign]
    found += [_describe_left(task) for task in tasks if not task.done()]
    found += [f"the thread {thread.name} is left; join it, or make it end" for thread in _find_threads(before)]
    assert not found, "\n".join(found)


@contextmanager
def _watch_ends_of_loops(found: list[str]) -> Iterator[None]:
    """Note the tasks that are pending when a loop ends: `asyncio.run` cancels them, and says nothing of it."""
    original: Callable[[asyncio.AbstractEventLoop], None] = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def note(loop: asyncio.AbstractEventLoop) -> None:
        found.extend(_describe_left(task) for task in asyncio.all_tasks(loop))

    def cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
        note(loop)
        original(loop)

    asyncio.runners._cancel_all_tasks = cancel_all_tasks  # type: ignore[attr-defined]
    OBSERVERS_OF_ENDS.append(note)
    try:
        yield
    finally:
        OBSERVERS_OF_ENDS.remove(note)
        asyncio.runners._cancel_all_tasks = original  # type: ignore[attr-defined]


def _describe_left(task: "asyncio.Task[Any]") -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    place = f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})" if code else repr(task)
    return f"the task {place} is left; await it, or cancel it and await its end"


def _find_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    deadline = time.monotonic() + END_SECONDS
    while True:
        left = [
            thread
            for thread in threading.enumerate()
            if thread not in before and thread.is_alive() and not thread.name.startswith(_OWN_THREADS)
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def _describe(handle: Any) -> str:
    callback = getattr(handle, "_callback", None)
    task = getattr(callback, "__self__", None)
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    code = getattr(coroutine, "cr_code", None)
    return f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})" if code else repr(callback)
