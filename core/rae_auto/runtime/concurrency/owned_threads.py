"""Threads for blocking calls, apart for each owner: calls of one plugin that hang hold up no other.

asyncio runs `asyncio.to_thread` and `run_in_executor(None, …)` in one pool, the default executor of the loop. With a
handful of threads for everyone, that many calls that hang (a dead network mount, a device that doesn't respond) stop
reloads, recorded events and every other plugin. `OwnedThreads` takes the place of that pool:

- Each task belongs to an *owner*, a place where a plugin is used; the tasks that it starts inherit it, because asyncio
  copies the context. Tasks without one belong to the program itself.
- The owner of the task that makes a call chooses the threads: `MAX_THREADS` for each owner. Further calls of the same
  owner wait for one of these, and for nothing else.
- Plugins need to know nothing of it: they call `asyncio.to_thread`.

Threads end when they have been idle for `IDLE_SECONDS`, so that a thousand owners at rest cost nothing. They are
daemon threads, and `shutdown` waits for none: a call that hangs doesn't keep the process alive.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar, copy_context
from functools import partial
from threading import Condition, Lock, Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MAX_THREADS = 4
"""Threads of one owner at a time."""

IDLE_SECONDS = 5.0
"""A thread without a call ends after this time."""

_owner: ContextVar[str] = ContextVar("rae_auto_thread_owner", default="rae-auto")


def context_of(owner: str) -> Context:
    """Return a copy of the current context whose calls run in threads of this owner."""
    context = copy_context()
    context.run(_owner.set, owner)
    return context


class OwnedThreads(ThreadPoolExecutor):
    """A default executor for an event loop, with threads for each owner.

    It is a `ThreadPoolExecutor` because asyncio accepts nothing else, but uses none of its threads.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self._pools: dict[str, _Pool] = {}
        self._pools_lock = Lock()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in a thread of the current owner. Raises RuntimeError if there can't be one."""
        owner = _owner.get()
        with self._pools_lock:
            pool = self._pools.get(owner) or self._pools.setdefault(owner, _Pool(owner))
        return pool.submit(partial(function, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for no call; idle threads end by themselves."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)


class _Pool:
    """The threads and waiting calls of one owner."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._ready = Condition()
        self._threads = self._idle = 0

    def submit(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._ready:
            self._calls.append((future, call))
            if self._idle >= len(self._calls):
                self._ready.notify()
            elif self._threads < MAX_THREADS:
                self._start_thread()
        return future

    def _start_thread(self) -> None:
        try:
            Thread(target=self._work, name=self._owner, daemon=True).start()
        except RuntimeError:
            # Without any thread the call would wait for ever.
            if not self._threads:
                self._calls.pop()
                raise
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            with self._ready:
                self._idle += 1
                has_call = self._ready.wait_for(lambda: self._calls, IDLE_SECONDS)
                self._idle -= 1
                if not has_call:
                    self._threads -= 1
                    return
                future, call = self._calls.popleft()
            _run(future, call)
            # What the call holds must not live as long as the thread.
            del future, call


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
