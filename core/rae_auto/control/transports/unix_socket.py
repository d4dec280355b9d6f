"""A Unix socket that only its owner may open, with peers that the kernel identifies."""

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from rae_auto.control.peer import is_trusted_peer, read_peer_pid
from rae_auto.errors import StoreError
from rae_auto.paths import MAX_SOCKET_PATH_BYTES, socket_path

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


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

    def listen(self, path: Path, backlog: int) -> "UnixListener":
        """Listen at a socket with mode 0600. Errors: StoreError."""
        try:
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise StoreError(f"{path} exists and is not a socket; remove it")
            path.unlink()
        except FileNotFoundError:
            pass
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
            # Immediately: a client may connect as soon as the path exists.
            listening.listen(backlog)
        except OSError as error:
            listening.close()
            hint = "; set RAE_STATE_DIR to a shorter path" if "too long" in str(error) else ""
            raise StoreError(f"{path}: can't create the control socket ({error.strerror or error}){hint}") from error
        finally:
            os.umask(before)
        return UnixListener(listening, path)

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

    async def open_connection(self, path: Path, limit: int) -> "tuple[StreamReader, StreamWriter]":
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


class UnixListener:
    """A bound socket."""

    def __init__(self, listening: socket.socket, path: Path) -> None:
        self.socket = listening
        self._path = path
        self._identity = _read_identity(path)

    @property
    def is_found(self) -> bool:
        """Return whether the path still leads to this socket."""
        return _read_identity(self._path) == self._identity

    async def admit(self, reader: "StreamReader", writer: "StreamWriter") -> bool:
        """Return whether the peer runs under the user of the daemon, or is root."""
        return is_trusted_peer(writer.get_extra_info("socket"))

    def peer_pid(self, writer: "StreamWriter") -> int | None:
        """Return the pid of the process that has connected; None if the system doesn't report it."""
        return read_peer_pid(writer.get_extra_info("socket"))

    def close(self) -> None:
        """Stop listening and remove the socket, unless another daemon has bound the path by now."""
        self.socket.close()
        if self.is_found:
            # The next daemon replaces a socket that can't be removed.
            with contextlib.suppress(OSError):
                self._path.unlink()


def _is_connected(connection: socket.socket, path: Path) -> bool:
    """Connect; return False if the queue is full. Errors: OSError."""
    try:
        connection.connect(str(path))
    except BlockingIOError:
        return False
    return True


def _read_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
