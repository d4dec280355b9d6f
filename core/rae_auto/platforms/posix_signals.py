"""Signals by the pipe to which Python writes their numbers, whatever the main thread is doing."""

import contextlib
import os
import select
import signal

LISTENED = (signal.SIGTERM, signal.SIGINT, *filter(None, [getattr(signal, "SIGHUP", None)]))

_PIPE_BYTES = 256


class WakeupPipe:
    """The pipe of `signal.set_wakeup_fd`, and handlers that do nothing else."""

    def __init__(self) -> None:
        """Listen from now on."""
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, _do_nothing) for number in LISTENED}

    def read(self, seconds: float | None) -> list[int]:
        """Return the numbers in the pipe."""
        if not select.select([self._reading], [], [], seconds)[0]:
            return []
        return [number for number in os.read(self._reading, _PIPE_BYTES) if number in self._handlers]

    def wake(self) -> None:
        """Write a byte that is no signal's."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._writing, b"\0")

    def close(self) -> None:
        """Restore the handlers. The pipe stays open: the thread may be reading."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self.wake()


def _do_nothing(*_: object) -> None:
    """Keep Python from ending the process; the pipe has the number of the signal."""
