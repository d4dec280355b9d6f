"""A program in a pseudo-terminal, and what its screen shows."""

import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest
from tests.support.daemons import Daemons

fcntl = pytest.importorskip("fcntl", reason="needs pseudo-terminals")
pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
termios = pytest.importorskip("termios", reason="needs pseudo-terminals")


class _Screen(pyte.Screen):
    """A screen that takes private sequences for what they are."""

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        """Set the look of text; "CSI > … m", which tells a terminal how to report keys, sets none."""
        if not private:
            super().select_graphic_rendition(*attributes)


class TerminalProgram:
    """A program in a pseudo-terminal, and what its screen shows."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        *,
        columns: int = 80,
        lines: int = 24,
        folder: Path | None = None,
    ) -> None:
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._modes = termios.tcgetattr(other)
        # Workers of a test run have these, and programs believe them rather than the terminal.
        variables = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command,
            stdin=other,
            stdout=other,
            stderr=other,
            env=variables,
            start_new_session=True,
            cwd=folder,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._other = other
        self._screen = _Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    @property
    def is_restored(self) -> bool:
        """True if the terminal has its old modes again."""
        return bool(termios.tcgetattr(self._other) == self._modes)

    def press(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def clear(self) -> None:
        """Forget what the screen shows."""
        self._screen.reset()

    def read(self, seconds: float) -> int:
        """Take in what is written within some time; return how many bytes that were."""
        end, count = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0 and select.select([self._main], [], [], left)[0]:
            try:
                part = os.read(self._main, 1 << 16)
            except OSError:
                break
            # pyte takes the private "CSI >" and "CSI =" sequences for others.
            self._stream.feed(part.replace(b"\x1b[>1u", b"").replace(b"\x1b[<u", b""))
            count += len(part)
        return count

    def wait_for(self, is_shown: Callable[[str], bool]) -> None:
        deadline = time.monotonic() + 120
        while not is_shown(self.text):
            assert time.monotonic() < deadline, f"the screen shows\n{self.text}"
            self.read(0.1)

    def wait_for_silence(self, seconds: float) -> None:
        """Wait until nothing has been written for some time."""
        deadline = time.monotonic() + 60
        while self.read(seconds) > 0:
            assert time.monotonic() < deadline, f"it is drawn again and again\n{self.text}"

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._main)
        os.close(self._other)


def open_top(daemons: Daemons, *, columns: int = 80, lines: int = 24, **variables: str) -> TerminalProgram:
    """Start `rae-auto top` over a daemon, with these variables in its environment."""
    state = str(daemons.state)
    environment = {**os.environ, "RAE_STATE_DIR": state, "TERM": "xterm-256color", "COLORTERM": "", **variables}
    command = [sys.executable, "-m", "rae_auto", "top", "--config", str(daemons.config)]
    return TerminalProgram(command, environment, columns=columns, lines=lines)
