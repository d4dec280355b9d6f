"""Threads for blocking calls, separate for each owner, so that a plugin that hangs blocks no other.

asyncio runs `asyncio.to_thread` and `run_in_executor(None, …)` in one pool, the default executor of the loop. With a
handful of threads for everyone, that many calls that hang (a dead network mount, a device that doesn't respond) stop
reloads, recorded events and every other plugin. `OwnedThreads` takes the place of that pool:

- Each task belongs to an *owner*, a place where a plugin is used; the tasks that it starts inherit it, because asyncio
  copies the context. Tasks without one belong to the program itself.
- The owner of the task that makes a call chooses the threads: `MAX_THREADS` for each owner. Further calls of the same
  owner wait for one of these, and for nothing else.
- Plugins need to know nothing of it: they call `asyncio.to_thread`.

Threads end when they have been idle for some seconds, so that a thousand owners at rest cost nothing. They are
daemon threads, and `shutdown` waits for none: a call that hangs doesn't keep the process alive.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar, copy_context
from threading import Lock
from typing import ParamSpec, TypeVar

from rae_auto.toolkit.threads.daemon_threads import DaemonThreads

P = ParamSpec("P")
T = TypeVar("T")

MAX_THREADS = 4
"""Threads of one owner at a time."""

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
        self._pools: dict[str, DaemonThreads] = {}
        self._pools_lock = Lock()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in a thread of the current owner. Raises RuntimeError if there can't be one."""
        owner = _owner.get()
        with self._pools_lock:
            pool = self._pools.get(owner) or self._pools.setdefault(owner, DaemonThreads(owner, MAX_THREADS))
        return pool.submit(function, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for no call; idle threads end by themselves."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
