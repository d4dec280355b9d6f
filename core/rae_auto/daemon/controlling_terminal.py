"""The terminal in which the daemon was started, and whether it has been closed since."""

import os
import signal


class ControllingTerminal:
    """The controlling terminal of this process, as of its start.

    SIGHUP requests a reload, but it is also sent when the terminal is closed. The kernel takes a closed terminal away
    from all processes of its session before it sends the signal, which distinguishes the two cases.
    """

    def __init__(self) -> None:
        """Note whether there is a terminal whose end counts: with `nohup` it doesn't."""
        self._counts = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def is_closed(self) -> bool:
        """Return whether there was a terminal whose end counts, and it is gone."""
        return self._counts and not _has_terminal()


def _has_terminal() -> bool:
    if not hasattr(os, "O_NOCTTY"):  # on Windows, which sends no SIGHUP either
        return False
    try:
        # O_NOCTTY: looking must not give the daemon a terminal.
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
