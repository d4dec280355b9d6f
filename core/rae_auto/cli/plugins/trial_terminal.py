"""A terminal for a pane: the alternate screen, single keys, and restoring the terminal afterwards.

Where no signal says so, as on Windows, a change of the size is noticed at the next drawing.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from rae_auto.cli.plugins.trial_keys import Keys, find_keys

_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"


class PaneTerminal:
    """The terminal of this process. Use it as a context manager."""

    def __init__(self, keys: Keys | None = None) -> None:
        """Take the keys of this process's terminal, unless others are given."""
        self._keys = keys or find_keys()
        self._lines: list[str] = []
        self._size = (0, 0)
        self._redraw: Callable[[], object] = lambda: None

    def __enter__(self) -> "PaneTerminal":
        self._enter()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._leave()

    def draw(self, lines: Sequence[str], size: tuple[int, int]) -> None:
        """Draw the lines that have changed; all of them on a terminal of another size."""
        if size != self._size:
            self._clear()
            self._size = size
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
        self._keys.follow(press)

    def follow_sizes(self, redraw: Callable[[], object]) -> None:
        """Call `redraw` when the terminal has another size, and when it is this program's again after Ctrl-Z."""
        self._redraw = redraw
        loop = asyncio.get_running_loop()
        for name, handler in (("SIGWINCH", self._draw_all), ("SIGTSTP", self._stop)):
            with suppress(AttributeError, NotImplementedError):
                loop.add_signal_handler(getattr(signal, name), handler)

    def _draw_all(self) -> None:
        self._clear()
        self._redraw()

    def _clear(self) -> None:
        self._lines = []
        self._write("\x1b[2J")

    def _stop(self) -> None:
        self._leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._enter()
        self._draw_all()

    def _enter(self) -> None:
        self._keys.enter()
        self._write(_ENTER)

    def _leave(self) -> None:
        self._write(_LEAVE)
        self._keys.leave()

    def _write(self, text: str) -> None:
        # The terminal is gone, and needs no restoring.
        with suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()
