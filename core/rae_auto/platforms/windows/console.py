"""The console of Windows: keys as they are pressed, and the sequences of ECMA-48 on the screen.

Sources: "Console Virtual Terminal Sequences" and `_getwch` in Microsoft's documentation. A key without a character
comes as two, the first of which is NUL or 0xE0, the second the code of the key.
"""

from collections.abc import Callable
from typing import Any

_PREFIXES = ("\x00", "\xe0")
_SEQUENCES = {
    "H": "\x1b[A",
    "P": "\x1b[B",
    "M": "\x1b[C",
    "K": "\x1b[D",
    "G": "\x1b[H",
    "O": "\x1b[F",
    "I": "\x1b[5~",
    "Q": "\x1b[6~",
}
"""Codes of keys, and what other terminals send for them."""

_STANDARD_OUTPUT = -11
_VIRTUAL_TERMINAL_PROCESSING = 0x4


def read_console_key() -> str:
    """Wait for a key, and return its character, or the sequence that other terminals send for it; "" for others."""
    import msvcrt

    read: Callable[[], str] = msvcrt.getwch  # type: ignore[attr-defined, unused-ignore]
    key = read()
    return _SEQUENCES.get(read(), "") if key in _PREFIXES else key


class ConsoleScreen:
    """The screen buffer of this process, as kernel32 has it."""

    def __init__(self, kernel: Any = None) -> None:
        """`kernel` is the library kernel32."""
        import ctypes

        self._ctypes: Any = ctypes
        self._kernel = kernel if kernel is not None else self._ctypes.WinDLL("kernel32")

    def enable_sequences(self) -> Callable[[], None]:
        """Let the screen obey sequences, and return a function that leaves it as it was."""
        screen, mode = self._kernel.GetStdHandle(_STANDARD_OUTPUT), self._ctypes.c_uint32()
        if not self._kernel.GetConsoleMode(screen, self._ctypes.byref(mode)):
            return lambda: None  # no console
        self._kernel.SetConsoleMode(screen, mode.value | _VIRTUAL_TERMINAL_PROCESSING)
        return lambda: self._kernel.SetConsoleMode(screen, mode.value)
