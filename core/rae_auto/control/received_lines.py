"""Whole lines from a socket, however its bytes arrive. Standard library only: most commands need nothing else."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

READ_BYTES = 1 << 16


class ReceivedLines:
    """The lines that arrive on a connection. What has arrived of a later line stays for the next call."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._received = bytearray()

    def read(self, limit_seconds: float | None) -> bytes | None:
        """Return the next line with its end; None if it takes longer than this; b"" if the other side has closed.

        Raises OSError if the connection is broken.
        """
        deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            self._connection.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
            try:
                part = self._connection.recv(READ_BYTES)
            except TimeoutError:
                return None
            if not part:
                return b""
            self._received += part
        line = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        return line

    def drop(self) -> None:
        """Forget the whole lines that have arrived by now."""
        del self._received[: self._received.rfind(b"\n") + 1]
