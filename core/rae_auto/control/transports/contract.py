"""The contract of a transport. Standard library only, and asyncio only for the types: most commands need neither."""

from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

HANDSHAKE_TIMEOUT_SECONDS = 5.0
"""The time in which both ends must have proven who they are."""


class ControlListener(Protocol):
    """A place where clients are accepted, and the file by which they find it."""

    socket: socket

    @property
    def is_found(self) -> bool:
        """Return whether the file is still there: cleaners of temporary folders remove it, and logouts."""
        ...

    async def admit(self, reader: "StreamReader", writer: "StreamWriter") -> bool:
        """Return whether the peer is the owner of the daemon, or root. Takes `HANDSHAKE_TIMEOUT_SECONDS` at most."""
        ...

    def peer_pid(self, writer: "StreamWriter") -> int | None:
        """Return the process of an admitted peer; None where it isn't known."""
        ...

    def close(self) -> None:
        """Accept no more clients, and remove the file unless it is another daemon's by now."""
        ...


class Transport(Protocol):
    """A way to the daemon. The file of a transport is in the state directory, or in a directory of the user's own."""

    max_path_bytes: int | None
    """The length that the path of the file may have; None if there is no limit."""

    def path(self, directory: Path) -> Path:
        """Return the file by which clients find the daemon of a state directory."""
        ...

    def listen(self, path: Path, backlog: int) -> ControlListener:
        """Listen, and replace the file of a dead daemon. The caller holds the lock of the state directory.

        Errors: StoreError if something else is at the path, or it can't be created.
        """
        ...

    def connect(self, path: Path, timeout: float | None) -> socket:
        """Return a connection to the daemon, whose calls take `timeout` seconds at most. Errors: OSError."""
        ...

    async def open_connection(self, path: Path, limit: int) -> "tuple[StreamReader, StreamWriter]":
        """Return a connection to the daemon, for lines of at most `limit` bytes. Errors: OSError."""
        ...
