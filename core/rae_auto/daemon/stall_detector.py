"""Detects that the event loop is blocked, and names the plugin that blocks it.

An interval timer of the kernel (`setitimer`) is armed when the loop returns from `select` and disarmed when it enters
`select` again, so that an idle loop is never woken for this. If the timer expires, the handler of SIGALRM records the
stack of the main thread and writes one byte to a pipe. A handler may do no more: the interrupted code could hold the
lock of the log. A thread that blocks on the pipe names the plugin and writes the log line.

The timer keeps expiring each second. After `MAX_BLOCKED_SECONDS` the handler raises `LoopBlocked` in the plugin that
blocks, an endless loop or a system call that a signal interrupts: the call fails, as if the plugin had raised it, and
the daemon goes on. It does so only where the plugin's own code, or what it calls outside of rae-auto, is what runs: the
core must not be left half done. A loop in C stays; the process ends in time all the same (`exit_deadline`).
"""

import asyncio
import os
import selectors
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from attrs import frozen
from loguru import logger

from rae_auto.registry.containment import LoopBlocked
from rae_auto.runtime.time.time_meter import TimeMeter

MAX_TURN_SECONDS = 1.0
"""The time one turn of the loop may take before it counts as a stall."""

MAX_BLOCKED_SECONDS = 10
"""The time after which a plugin that blocks the loop is interrupted; counted in expiries of the timer."""

MAX_STALLS = 20
MAX_STACK_DEPTH = 200

_PLUGIN_ROOMS = ("rae_auto.api", "rae_auto.toolkit", "rae_auto.model")
"""Rooms whose functions plugins call, and that hold no state which must stay whole."""

CodeLocation = tuple[str, str, int, str]
"""Module, file, line, function."""


@frozen
class Stall:
    """A blocked turn of the loop: the plugin (None if none is on the stack), and the line of code."""

    plugin: str | None
    location: str

    def text(self) -> str:
        """Return one line for a person."""
        by = self.plugin or "no plugin"
        return f"the event loop was blocked for more than {MAX_TURN_SECONDS:g} s by {by} at {self.location}"


class StallDetector:
    """Watches one event loop. `owner_of` returns the plugin that a module belongs to, if any."""

    def __init__(self, owner_of: Callable[[str], str | None]) -> None:
        self._owner_of = owner_of
        self.stalls: deque[Stall] = deque(maxlen=MAX_STALLS)
        self.newest_at: dict[Stall, datetime] = {}
        """When each of these stalls happened last."""
        self.turns = TimeMeter()
        """Durations of the loop's turns, from the return of `select` to the next call: the delay that others suffer."""
        self._stacks: deque[Sequence[CodeLocation]] = deque(maxlen=MAX_STALLS)
        self._pipe: tuple[int, int] | None = None
        self._expiries = 0

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Create a loop; it is watched if the platform has interval timers and this is the main thread."""
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            return asyncio.new_event_loop()
        signal.signal(signal.SIGALRM, self._record_stack)
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        threading.Thread(target=self._report_stalls, name="stall-detector", daemon=True, args=(self._pipe[0],)).start()
        return asyncio.SelectorEventLoop(_TimedSelector(self.turns, self._begin_turn))

    def _begin_turn(self) -> None:
        self._expiries = 0

    def close(self) -> None:
        """Stop watching."""
        if self._pipe is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            os.close(self._pipe[1])
            self._pipe = None

    def _record_stack(self, _: int, frame: FrameType | None) -> None:
        self._expiries += 1
        if self._expiries > 1:
            if self._expiries > MAX_BLOCKED_SECONDS and (place := self._find_interruptible(frame)) is not None:
                raise LoopBlocked(
                    f"it blocked the event loop for {MAX_BLOCKED_SECONDS} s at {place}; "
                    "await asyncio.to_thread(…) for what blocks"
                )
            return
        stack: list[CodeLocation] = []
        while frame is not None and len(stack) < MAX_STACK_DEPTH:
            code = frame.f_code
            stack.append((frame.f_globals.get("__name__", "?"), code.co_filename, frame.f_lineno, code.co_name))
            frame = frame.f_back
        self._stacks.append(stack)
        if self._pipe is not None:
            try:
                os.write(self._pipe[1], b"!")
            except BlockingIOError:
                return

    def _find_interruptible(self, frame: FrameType | None) -> str | None:
        """Return where a plugin can be interrupted: at its own code, the innermost but for libraries; None if not."""
        while frame is not None:
            module = frame.f_globals.get("__name__", "?")
            if self._owner_of(module) is not None:
                return f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"
            if module.startswith("rae_auto.") and not module.startswith(_PLUGIN_ROOMS):
                return None
            frame = frame.f_back
        return None

    def _report_stalls(self, pipe: int) -> None:
        while os.read(pipe, 1):
            stall = self._find_culprit(self._stacks.popleft())
            is_known = stall in self.stalls
            self.stalls.append(stall)
            self.newest_at = {one: at for one, at in self.newest_at.items() if one in self.stalls}
            self.newest_at[stall] = datetime.now(UTC)
            if not is_known:
                logger.log("ERROR" if stall.plugin else "WARNING", "{}", stall.text())
        os.close(pipe)

    def _find_culprit(self, stack: Sequence[CodeLocation]) -> Stall:
        for module, file, line, function in stack:
            owner = self._owner_of(module)
            if owner is not None:
                return Stall(owner, f"{file}:{line} ({function})")
        _, file, line, function = stack[0] if stack else ("", "?", 0, "?")
        return Stall(None, f"{file}:{line} ({function})")


class _TimedSelector(selectors.DefaultSelector):
    """A selector that arms the timer between one `select` and the next, and measures how long that is."""

    def __init__(self, turns: TimeMeter, begin_turn: Callable[[], None]) -> None:
        super().__init__()
        self._turns = turns
        self._begin_turn = begin_turn
        self._returned_at: float | None = None

    def select(self, timeout: float | None = None) -> Any:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._returned_at is not None:
            now = time.monotonic()
            self._turns.add(now - self._returned_at, now)
        try:
            return super().select(timeout)
        finally:
            self._returned_at = time.monotonic()
            self._begin_turn()
            signal.setitimer(signal.ITIMER_REAL, MAX_TURN_SECONDS, MAX_TURN_SECONDS)
