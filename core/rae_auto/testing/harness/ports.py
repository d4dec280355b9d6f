"""Ports of this machine for what a test starts later, or never."""

import secrets
import socket
from contextlib import suppress

FIRST, COUNT = 10_000, 20_000
"""A range of which no system gives ports to those who ask for any.

One that was given out for any, and is closed again, may be given to the next process before the test uses it.
"""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nothing listens on.

    It is chosen with no seed: those of the tests are the same in all workers.
    """
    while True:
        port = FIRST + secrets.randbelow(COUNT)
        with suppress(OSError), socket.socket(socket.AF_INET, kind) as probe:  # the port is taken
            probe.bind(("127.0.0.1", port))
            return port
