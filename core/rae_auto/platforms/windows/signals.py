"""The events of the console, which are the signals of Windows.

The system calls a handler in a thread that it starts for each event, so that none is lost while the main thread hangs.
Python's own handlers run in the main thread alone, and asyncio uses `signal.set_wakeup_fd` there for itself. When the
console is closed, at logout and at shutdown the process ends as soon as the handler returns: so it doesn't return, and
Windows gives it about five seconds. That is less than a clean stop may take; what is durable is so at every moment.
"""

import ctypes
import queue
import signal
import time
from collections.abc import Callable
from typing import Any, Protocol

CTRL_C, CTRL_BREAK, CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN = 0, 1, 2, 5, 6

NUMBERS = {
    CTRL_C: signal.SIGINT,
    CTRL_BREAK: signal.SIGTERM,
    CTRL_CLOSE: signal.SIGTERM,
    CTRL_LOGOFF: signal.SIGTERM,
    CTRL_SHUTDOWN: signal.SIGTERM,
}
"""Ctrl-Break stops as SIGTERM does: it is the event that a program can send to another."""

LAST_CALL_SECONDS = 30.0
"""Longer than Windows lets the handler wait."""

_FINAL = (CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN)
_WAKE = -1

Handler = Callable[[int], bool]


class Console(Protocol):
    """Registration of a handler of console events."""

    def add(self, handler: Handler) -> None:
        """Have the system call a handler for each event, before those that are registered. Errors: OSError."""
        ...

    def remove(self, handler: Handler) -> None:
        """End that. Errors: OSError."""
        ...


class KernelConsole:
    """SetConsoleCtrlHandler."""

    def __init__(self) -> None:
        functions: Any = ctypes
        self._set: Any = functions.WinDLL("kernel32", use_last_error=True).SetConsoleCtrlHandler
        self._kind: Any = functions.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)
        self._routines: dict[Handler, Any] = {}

    def add(self, handler: Handler) -> None:
        """Register, and keep the routine alive as long as the system may call it."""
        self._routines[handler] = self._kind(handler)
        self._call(handler, 1)

    def remove(self, handler: Handler) -> None:
        """Unregister."""
        self._call(handler, 0)
        del self._routines[handler]

    def _call(self, handler: Handler, is_added: int) -> None:
        functions: Any = ctypes
        if not self._set(self._routines[handler], is_added):
            raise functions.WinError(functions.get_last_error())


class ConsoleListener:
    """Events of the console as numbers of signals."""

    def __init__(self, console: Console | None = None, wait: Callable[[float], None] = time.sleep) -> None:
        """Listen from now on. `wait` passes the time that Windows leaves after a last event."""
        self._console = console or KernelConsole()
        self._wait = wait
        self._numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._handler: Handler = self._handle
        self._console.add(self._handler)
        # Services and tests send it to the process itself, without a console.
        self._before = signal.signal(signal.SIGTERM, lambda number, _: self._numbers.put(number))

    def read(self, seconds: float | None) -> list[int]:
        """Return the numbers that have come."""
        try:
            number = self._numbers.get(timeout=seconds)
        except queue.Empty:
            return []
        return [] if number == _WAKE else [number]

    def wake(self) -> None:
        """Put a number that is no signal's."""
        self._numbers.put(_WAKE)

    def close(self) -> None:
        """Unregister the handler."""
        self._console.remove(self._handler)
        signal.signal(signal.SIGTERM, self._before)
        self.wake()

    def _handle(self, event: int) -> bool:
        number = NUMBERS.get(event)
        if number is None:
            return False
        self._numbers.put(number)
        if event in _FINAL:
            self._wait(LAST_CALL_SECONDS)
        return True
