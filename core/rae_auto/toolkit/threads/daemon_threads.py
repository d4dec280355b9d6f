"""Threads for calls that may hang. Python doesn't wait for them when it exits."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Condition, Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS = 5.0
"""A thread without a call ends after this time."""


class DaemonThreads:
    """Daemon threads for calls: as many as there are calls, and at most `max_threads`.

    Those of `concurrent.futures` are not daemons, so Python would wait for a call that hangs before it exits.

    The caller wakes one thread; that one takes a call, and wakes the next thread if more are left. So a call that
    blocks delays no other, and of many short calls one thread carries out several before the next has woken up.
    """

    def __init__(self, name: str, max_threads: int) -> None:
        self._name = name
        self._max_threads = max_threads
        self._calls: deque[tuple[Callable[[], None], Callable[[], object]]] = deque()
        self._is_ready = Condition()
        self._threads = self._idle = 0
        self._is_one_coming = False
        """A thread was woken or started that has not looked at the calls since."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call the function in a thread, as soon as one is free. Raises RuntimeError if there can't be one."""
        future: Future[T] = Future()
        self.post(partial(_run, future, partial(function, *args, **kwargs)), future.cancel)
        return future

    def post(self, work: Callable[[], None], cancel: Callable[[], object]) -> None:
        """Do the work in a thread, as soon as one is free. Raises RuntimeError if there can't be one.

        The work must not raise. `cancel_waiting` calls `cancel` instead, if the work has not started by then.
        """
        with self._is_ready:
            self._calls.append((work, cancel))
            self._send_thread()

    def cancel_waiting(self) -> None:
        """Cancel the calls that have not started."""
        with self._is_ready:
            while self._calls:
                self._calls.pop()[1]()

    def _send_thread(self) -> None:
        """Have a thread look at the calls, unless one is on its way or all have a call."""
        if self._is_one_coming:
            return
        if self._idle:
            self._is_one_coming = True
            self._is_ready.notify()
        elif self._threads < self._max_threads:
            self._start_thread()

    def _start_thread(self) -> None:
        try:
            Thread(target=self._work, name=self._name, daemon=True).start()
        except RuntimeError:
            # Without any thread the call would wait for ever.
            if not self._threads:
                self._calls.pop()
                raise
        else:
            self._threads += 1
            self._is_one_coming = True

    def _work(self) -> None:
        is_new = True
        while True:
            with self._is_ready:
                if is_new:
                    # Not after each call: the thread that is on its way would count as arrived.
                    is_new = self._is_one_coming = False
                while not self._calls:
                    if not self._wait():
                        self._threads -= 1
                        return
                work, cancel = self._calls.popleft()
                if self._calls:
                    self._send_thread()
            work()
            # What the work holds must not live as long as the thread.
            del work, cancel

    def _wait(self) -> bool:
        """Wait for a call; return False if none came for a time."""
        self._idle += 1
        is_woken = self._is_ready.wait(IDLE_SECONDS)
        self._idle -= 1
        self._is_one_coming = False
        # It may have been woken just when its time was over.
        return is_woken or bool(self._calls)


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
