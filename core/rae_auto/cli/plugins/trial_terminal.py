"""A terminal for a pane: the alternate screen, single keys, and restoring the terminal afterwards.

Where there is no termios, as on Windows, the pane has no keys; Ctrl-C ends it.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1b.|.", re.DOTALL)
"""Sequences of ECMA-48 for keys such as the arrows, or a character."""


class PaneTerminal:
    """The terminal of this process. Use it as a context manager."""

    def __init__(self) -> None:
        self._attributes: list[Any] | None = None
        self._lines: list[str] = []
        self._redraw: Callable[[], object] = lambda: None

    def __enter__(self) -> "PaneTerminal":
        self._enter()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._leave()

    def draw(self, lines: Sequence[str]) -> None:
        """Draw the lines that have changed."""
        parts = [
            f"\x1b[{number};1H{line}\x1b[0m\x1b[K"
            for number, line in enumerate(lines, 1)
            if number > len(self._lines) or self._lines[number - 1] != line
        ]
        if len(lines) < len(self._lines):
            parts.append(f"\x1b[{len(lines) + 1};1H\x1b[J")
        self._lines = list(lines)
        if parts:
            self._write("".join(parts))

    def follow_keys(self, press: Callable[[str], object]) -> None:
        """Call `press` with each key from now on."""
        if self._attributes is None:
            return

        def read() -> None:
            text = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
            if not text:
                asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            for key in _KEY.findall(text):
                press(key)

        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)

    def follow_sizes(self, redraw: Callable[[], object]) -> None:
        """Call `redraw` when the terminal has another size, and when it is this program's again after Ctrl-Z."""
        self._redraw = redraw
        loop = asyncio.get_running_loop()
        for name, handler in (("SIGWINCH", self._draw_all), ("SIGTSTP", self._stop)):
            with suppress(AttributeError, NotImplementedError):
                loop.add_signal_handler(getattr(signal, name), handler)

    def _draw_all(self) -> None:
        self._lines = []
        self._write("\x1b[2J")
        self._redraw()

    def _stop(self) -> None:
        self._leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._enter()
        self._draw_all()

    def _enter(self) -> None:
        if termios is not None and sys.stdin.isatty():
            self._attributes = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        self._write(_ENTER)

    def _leave(self) -> None:
        self._write(_LEAVE)
        if self._attributes is not None:
            with suppress(OSError, termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._attributes)

    def _write(self, text: str) -> None:
        # The terminal is gone, and needs no restoring.
        with suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()
