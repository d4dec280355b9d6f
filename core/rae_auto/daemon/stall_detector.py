"""Notices what blocks the event loop, and names the plugin.

An interval timer of the kernel is set when the loop leaves `select` and taken off when it comes back to it, so an idle
loop is never woken for this. When the timer goes off, the signal's handler notes where the main thread stands and
writes a byte into a pipe (more a handler may not do: locks could be held). A thread that sleeps on the pipe tells it.
"""

import asyncio
import os
import selectors
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from attrs import frozen
from loguru import logger

LIMIT = 1.0
"""Seconds that one turn of the loop may take."""

KEPT = 20
DEEPEST = 200

CodeLocation = tuple[str, str, int, str]
"""Module, file, line, function."""


@frozen
class Stall:
    """The loop was blocked: by which plugin (None: none is on the stack), and where that stood."""

    plugin: str | None
    place: str

    def text(self) -> str:
        """One line for a person."""
        by = self.plugin or "no plugin"
        return f"the event loop was blocked for more than {LIMIT:g} s by {by} at {self.place}"


class Watchdog:
    """Watches one loop. `owner_of` names the plugin that a module belongs to, if any."""

    def __init__(self, owner_of: Callable[[str], str | None]) -> None:
        self._owner_of = owner_of
        self.stalls: deque[Stall] = deque(maxlen=KEPT)
        self._seen: deque[Sequence[CodeLocation]] = deque(maxlen=KEPT)
        self._pipe: tuple[int, int] | None = None

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """A loop that is watched, where the platform has interval timers."""
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            return asyncio.new_event_loop()
        signal.signal(signal.SIGALRM, self._noticed)
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        threading.Thread(target=self._tell_all, name="watchdog", daemon=True, args=(self._pipe[0],)).start()
        return asyncio.SelectorEventLoop(_Selector())

    def close(self) -> None:
        """Watch no more."""
        if self._pipe is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            os.close(self._pipe[1])
            self._pipe = None

    def _noticed(self, _: int, frame: FrameType | None) -> None:
        stack: list[CodeLocation] = []
        while frame is not None and len(stack) < DEEPEST:
            code = frame.f_code
            stack.append((frame.f_globals.get("__name__", "?"), code.co_filename, frame.f_lineno, code.co_name))
            frame = frame.f_back
        self._seen.append(stack)
        if self._pipe is not None:
            try:
                os.write(self._pipe[1], b"!")
            except BlockingIOError:
                return

    def _tell_all(self, reading: int) -> None:
        while os.read(reading, 1):
            stall = self._named(self._seen.popleft())
            is_known = stall in self.stalls
            self.stalls.append(stall)
            if not is_known:
                logger.log("ERROR" if stall.plugin else "WARNING", "{}", stall.text())
        os.close(reading)

    def _named(self, stack: Sequence[CodeLocation]) -> Stall:
        for module, file, line, function in stack:
            owner = self._owner_of(module)
            if owner is not None:
                return Stall(owner, f"{file}:{line} ({function})")
        _, file, line, function = stack[0] if stack else ("", "?", 0, "?")
        return Stall(None, f"{file}:{line} ({function})")


class _Selector(selectors.DefaultSelector):
    """Between one `select` and the next a timer runs."""

    def select(self, timeout: float | None = None) -> Any:
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            return super().select(timeout)
        finally:
            signal.setitimer(signal.ITIMER_REAL, LIMIT)
