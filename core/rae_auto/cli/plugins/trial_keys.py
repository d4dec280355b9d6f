"""Keys of a pane as they are pressed: by termios, and by the console on Windows."""

import asyncio
import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from rae_auto.platforms.windows.console import ConsoleScreen, read_console_key

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1b.|.", re.DOTALL)
"""Sequences of ECMA-48 for keys such as the arrows, or a character."""


class Keys(Protocol):
    """A keyboard."""

    def enter(self) -> None:
        """Take keys one by one from now on."""

    def leave(self) -> None:
        """Leave the terminal as it was."""

    def follow(self, press: Callable[[str], object]) -> None:
        """Call `press` on the event loop with each key."""


class NoKeys:
    """Keys where standard input isn't a terminal: none."""

    def enter(self) -> None:
        """Change nothing."""

    def leave(self) -> None:
        """Change nothing."""

    def follow(self, press: Callable[[str], object]) -> None:
        """Call nothing."""


class TerminalKeys:
    """The keys of a POSIX terminal."""

    def __init__(self) -> None:
        self._attributes: list[Any] | None = None

    def enter(self) -> None:
        """Take keys without waiting for the end of a line, and without an echo."""
        self._attributes = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)

    def leave(self) -> None:
        """Set the modes that the terminal had."""
        if self._attributes is not None:
            with suppress(OSError, termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._attributes)

    def follow(self, press: Callable[[str], object]) -> None:
        """Call `press` with each key."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            text = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
            if not text:
                loop.remove_reader(sys.stdin.fileno())
            for key in _KEY.findall(text):
                press(key)

        loop.add_reader(sys.stdin.fileno(), read)


class ConsoleKeys:
    """The keys of a console of Windows, and its screen, which obeys escape sequences only on request."""

    def __init__(self, read: Callable[[], str] = read_console_key, screen: ConsoleScreen | None = None) -> None:
        """`read` waits for a key."""
        self._read = read
        self._screen = screen or ConsoleScreen()
        self._leave: Callable[[], None] = lambda: None

    def enter(self) -> None:
        """Let the screen obey sequences."""
        self._leave = self._screen.enable_sequences()

    def leave(self) -> None:
        """Leave the screen as it was."""
        self._leave()

    def follow(self, press: Callable[[str], object]) -> None:
        """Call `press` with each key, which a thread waits for: no event loop can wait for a console."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            with suppress(RuntimeError, OSError):  # the loop is closed, or the console
                while True:
                    loop.call_soon_threadsafe(press, self._read())

        threading.Thread(target=read, name="keys", daemon=True).start()


def find_keys() -> Keys:
    """Return the keys of this process's terminal."""
    if not sys.stdin.isatty():
        return NoKeys()
    return TerminalKeys() if termios is not None else ConsoleKeys()
