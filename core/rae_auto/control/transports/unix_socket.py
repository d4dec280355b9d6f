"""A Unix socket that only its owner may open, with peers that the kernel identifies."""

from __future__ import annotations

import socket

from rae_auto.paths import MAX_SOCKET_PATH_BYTES, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from pathlib import Path

    from rae_auto.control.transports.unix_listener import UnixListener

CONNECT_TIMEOUT_SECONDS = 30.0
"""The time for which a client tries to connect while the daemon accepts no connections."""

QUEUE_FULL_SECONDS = 0.02
"""The pause between two tries to connect while the daemon's queue is full."""


class UnixTransport:
    """The transport of POSIX systems."""

    max_path_bytes: int | None = MAX_SOCKET_PATH_BYTES

    def path(self, directory: Path) -> Path:
        """Return the socket of a state directory; it is in the runtime directory if the path is too long."""
        return socket_path(directory)

    def listen(self, path: Path, backlog: int) -> UnixListener:
        """Listen at a socket with mode 0600. Errors: StoreError."""
        from rae_auto.control.transports.unix_listener import listen_at  # lazy: start-up

        return listen_at(path, backlog)

    def connect(self, path: Path, timeout: float | None) -> socket.socket:
        """Connect. Errors: OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            raise
        return connection

    async def open_connection(self, path: Path, limit: int) -> tuple[StreamReader, StreamWriter]:
        """Connect; where many do so at once, as soon as the daemon accepts it. Errors: OSError."""
        import asyncio  # lazy: start-up

        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                # Unlike TCP, a full queue is an error of the call, which asyncio takes for a connection under way.
                while not _is_connected(connection, path):  # noqa: ASYNC110 - nothing says when there is room
                    await asyncio.sleep(QUEUE_FULL_SECONDS)
            return await asyncio.open_unix_connection(sock=connection, limit=limit)
        except BaseException:
            connection.close()
            raise


def _is_connected(connection: socket.socket, path: Path) -> bool:
    """Connect; return False if the queue is full. Errors: OSError."""
    try:
        connection.connect(str(path))
    except BlockingIOError:
        return False
    return True
