"""A time limit for calls that should take milliseconds: one that never returns is interrupted where it is.

Theory
======

A schedule's `next_after` and a computed guard's `evaluate` are pure and quick, so they are called where they are
needed, in the thread of the engine. An endless loop in one of them would hold everything up. A thread of its
own for each of them would cost a switch of threads a call, a thousand times what the call itself takes.

So a watching thread counts seconds while such a call is under way, and asks the interpreter to raise `_Interrupted` in
the calling thread once there are too many of them (`PyThreadState_SetAsyncExc`, as in CPython's documentation of its C
API). It is raised between two of Python's own steps, and so again each second, should the call swallow it.

*Nothing is interrupted but the call.* The thread that calls takes its call off the list when it returns, and then looks
whether it has been chosen; the watching thread marks a call as chosen before it looks whether it is still on the list.
So either the watcher finds it gone, or the caller finds itself chosen and waits for what is about to be raised.

*Seconds are counted, not read from a clock*: a process that was stopped for an hour has not been calling for an hour.

*Nothing polls.* With no call for a second, the watcher waits for the next one.

*Blocking system calls.* In the main thread a signal ends them: Python then runs its handler before it would go on
(PEP 475), and the exception is raised in there. SIGURG is free for that: it is ignored by default, and a process that
handles it itself keeps its handler, without this help.

*What does not fit.* A loop in C, a system call in another thread, and one on Windows can't be interrupted. The daemon's
event loop names it as soon as it blocks, and a stop ends the process in time all the same.
"""

import contextlib
import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LIMIT_SECONDS = 10
"""The time limit of a call; on a busy machine what takes a second may take several."""

_DELIVERY_SECONDS = 1.0
_DELIVERY_STEP_SECONDS = 0.01


class TookTooLong(Exception):
    """A call that was interrupted, with the place in the code where that was."""


class _Interrupted(BaseException):
    """Raised inside a call that takes too long; not an Exception, so that few handlers of the call's own catch it."""


class _Call:
    """A call under way."""

    __slots__ = ("is_chosen", "limit_seconds", "place", "seconds")

    def __init__(self, limit_seconds: float) -> None:
        self.seconds = 0
        self.limit_seconds = limit_seconds
        self.is_chosen = False
        self.place = ""


class _Watcher:
    """The calls under way by thread, and the thread that interrupts those that take too long."""

    def __init__(self) -> None:
        self.calls: dict[int, _Call] = {}
        self._wanted = threading.Event()
        self._is_waiting = True
        self._thread: threading.Thread | None = None

    def begin(self, thread: int, call: _Call) -> None:
        self.calls[thread] = call
        if self._is_waiting:
            self._wake()

    def _wake(self) -> None:
        _prepare_signal()
        if self._thread is None or not self._thread.is_alive():
            # A child process after a fork has no threads but its own.
            self._wanted = threading.Event()
            self._thread = threading.Thread(target=self._watch, name="time-limit", daemon=True)
            self._thread.start()
        self._wanted.set()

    def _watch(self) -> None:
        while True:
            self._is_waiting = True
            if not self.calls:
                self._wanted.wait()
            self._is_waiting = False
            self._wanted.clear()
            time.sleep(1)
            for thread, call in list(self.calls.items()):
                call.seconds += 1
                if call.seconds >= call.limit_seconds:
                    self._interrupt(thread, call)

    def _interrupt(self, thread: int, call: _Call) -> None:
        frame = sys._current_frames().get(thread)
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "?"
        call.place, call.is_chosen = place, True
        if self.calls.get(thread) is call:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Interrupted))
            _end_system_call(thread)


_SIGNAL: signal.Signals | None = getattr(signal, "SIGURG", None)
"""The signal that ends system calls; None on Windows."""


def _prepare_signal() -> None:
    """Have a signal end system calls of the main thread, if that calls this and the signal is free."""
    is_main = threading.current_thread() is threading.main_thread()
    if _SIGNAL is not None and is_main and signal.getsignal(_SIGNAL) is signal.SIG_DFL:
        # Of an interpreter within another one the main thread may be none that handles signals.
        with contextlib.suppress(ValueError):
            signal.signal(_SIGNAL, _ignore)


def _ignore(*_: object) -> None:
    pass


def _end_system_call(thread: int) -> None:
    is_main = thread == threading.main_thread().ident
    if _SIGNAL is not None and is_main and signal.getsignal(_SIGNAL) is _ignore:
        signal.pthread_kill(thread, _SIGNAL)


_WATCHER = _Watcher()


def call_within_limit(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that should return at once, and return its result. Raises TookTooLong after `LIMIT_SECONDS`."""
    return call_within_seconds(LIMIT_SECONDS, function, *args, **kwargs)


def call_within_seconds(limit: float, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function and return its result. Raises TookTooLong after `limit` seconds."""
    thread, call = threading.get_ident(), _Call(limit)
    outer = _WATCHER.calls.get(thread)
    _WATCHER.begin(thread, call)
    try:
        try:
            return function(*args, **kwargs)
        finally:
            if outer is None:
                _WATCHER.calls.pop(thread, None)
            else:
                _WATCHER.calls[thread] = outer
            if call.is_chosen:
                _await_interruption()
    except _Interrupted:
        raise TookTooLong(f"it has not returned within {limit:g} s (it was at {call.place})") from None


def _await_interruption() -> None:
    """Wait for the requested exception, so that it is raised here and not after the call."""
    for _ in range(int(_DELIVERY_SECONDS / _DELIVERY_STEP_SECONDS)):
        time.sleep(_DELIVERY_STEP_SECONDS)
