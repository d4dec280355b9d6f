"""The daemon's side of a Unix socket: only its owner may open it, and the kernel identifies its peers."""

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from rae_auto.control.peer import is_trusted_peer, read_peer_pid
from rae_auto.errors import StoreError

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


def listen_at(path: Path, backlog: int) -> "UnixListener":
    """Listen at a socket with mode 0600, which replaces that of a dead daemon. Errors: StoreError."""
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


def _read_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
