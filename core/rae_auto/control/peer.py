"""The process at the other end of a connection to the control socket, as the kernel names it."""

import os
import socket
import struct
from contextvars import ContextVar

peer_pid: ContextVar[int | None] = ContextVar("peer_pid", default=None)
"""The process whose request is being answered; None if the system doesn't report it, or for a call in the process."""

_MACOS_LOCAL_LEVEL, _MACOS_PEER_CREDENTIALS, _MACOS_PEER_PID = 0, 1, 2


def is_trusted_peer(connection: socket.socket) -> bool:
    """Return whether the peer runs under the user of the daemon, or is root."""
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = _read_credentials(connection)
    else:  # macOS: struct xucred begins with a version and the user id
        _, uid = struct.unpack("2I", connection.getsockopt(_MACOS_LOCAL_LEVEL, _MACOS_PEER_CREDENTIALS, 8))
    return uid in (0, os.geteuid())


def read_peer_pid(connection: socket.socket) -> int | None:
    """Return the pid of the process that has connected; None if the system doesn't report it."""
    if hasattr(socket, "SO_PEERCRED"):
        return _read_credentials(connection)[0] or None
    try:
        return int(struct.unpack("i", connection.getsockopt(_MACOS_LOCAL_LEVEL, _MACOS_PEER_PID, 4))[0])
    except OSError:
        return None


def _read_credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Return the pid, the user and the group of the peer, as of when it connected (unix(7), struct ucred)."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid
