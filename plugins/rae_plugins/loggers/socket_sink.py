"""A sink that sends log lines to a socket, and never waits long: what isn't taken in time is dropped and counted.

A daemon that was stopped, or that doesn't read, leaves its socket full. The first line that finds it so waits for up to
`MAX_WAIT_SECONDS`, in the thread of the logger; a healthy daemon that is only behind a burst loses nothing that way.
From then on lines are dropped without waiting, until one is taken; the line before that one says how many were lost.
"""

import errno
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from attrs import evolve

from rae_auto.api import LogLine
from rae_auto.model.primitives.formatting import describe_error, format_count

if TYPE_CHECKING:
    from loguru import Message

MAX_WAIT_SECONDS = 1.0
"""Time that a full socket may take to become free, before lines are dropped."""

CONNECT_TIMEOUT_SECONDS = 5.0

MIN_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 30.0
"""Time between two tries to connect to a server: doubled after each failure."""

_FULL = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)


class LogConnection(Protocol):
    """A way to a log daemon. It opens itself, and again after a failure."""

    def send(self, data: bytes, wait_seconds: float) -> None:
        """Send one message, after waiting at most this many seconds. Raises OSError if it was not sent."""
        ...

    def close(self) -> None:
        """Close the socket, if there is one."""
        ...


class SocketSink:
    """A sink for loguru that sends entries by a connection. Calling it raises OSError if the line was dropped."""

    def __init__(self, place: str, connection: LogConnection, encode: Callable[[LogLine], bytes]) -> None:
        """Create a sink; nothing is opened yet. `place` is for messages."""
        self._place = place
        self._connection = connection
        self._encode = encode
        self._lost = 0

    def __call__(self, message: "Message") -> None:
        """Send a line, or count it as lost."""
        entry = LogLine.from_record(message.record)
        try:
            if self._lost:
                self._send(self._report(entry))
                self._lost = 0
            self._send(entry)
        except OSError as error:
            self._lost += 1
            why = "it does not take lines" if isinstance(error, _FULL) else describe_error(error)
            text = f"{self._place}: {why}; {format_count(self._lost, 'line')} lost"
            raise OSError(errno.EIO, text) from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __del__(self) -> None:
        """Close the connection, because loguru never closes a sink that is callable."""
        self.close()

    def _send(self, entry: LogLine) -> None:
        self._connection.send(self._encode(entry), 0.0 if self._lost else MAX_WAIT_SECONDS)

    def _report(self, entry: LogLine) -> LogLine:
        """Return a line about those that were lost before this one."""
        text = f"{format_count(self._lost, 'log line')} lost, because {self._place} did not take them"
        return evolve(entry, level="WARNING", level_number=30, message=text, job="", run="", state="")


class DatagramConnection:
    """Messages as datagrams, to a local socket or by UDP."""

    def __init__(self, open_socket: Callable[[], socket.socket]) -> None:
        """Create a connection. `open_socket` returns a connected socket that doesn't block."""
        self._open_socket = open_socket
        self._socket: socket.socket | None = None

    def send(self, data: bytes, wait_seconds: float) -> None:
        """Send a datagram; if its receiver has gone, to the one that has taken its place."""
        try:
            self._transmit(data, wait_seconds)
        except BlockingIOError:
            raise
        except OSError as error:
            self.close()
            if error.errno == errno.EMSGSIZE:
                raise
            self._transmit(data, wait_seconds)

    def close(self) -> None:
        """Close the socket."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def _transmit(self, data: bytes, wait_seconds: float) -> None:
        if self._socket is None:
            self._socket = self._open_socket()
        opened, deadline = self._socket, time.monotonic() + wait_seconds
        while True:
            try:
                self.transmit_once(opened, data)
                return
            except BlockingIOError:
                if not wait_until_writable(opened, deadline):
                    raise

    def transmit_once(self, opened: socket.socket, data: bytes) -> None:
        """Send without waiting. Raises BlockingIOError if the receiver's queue is full."""
        opened.send(data)


class StreamConnection:
    """Messages one after the other over TCP or TLS; their framing is part of each.

    The message that is under way is kept until the system has all of it, and sent again from its start if the
    connection breaks: half a message would spoil the next one. So one message beyond what the socket holds is accepted.
    """

    def __init__(self, open_socket: Callable[[float], socket.socket]) -> None:
        """Create a connection. `open_socket` returns a connected socket within this many seconds."""
        self._open_socket = open_socket
        self._socket: socket.socket | None = None
        self._pending = b""
        self._sent = 0
        self._retry_at = 0.0
        self._retry_seconds = MIN_RETRY_SECONDS
        self._failure = ""

    def send(self, data: bytes, wait_seconds: float) -> None:
        """Send a message, after what is left of the last one."""
        deadline = time.monotonic() + wait_seconds
        if not self._push(deadline):
            raise BlockingIOError(errno.EAGAIN, "not taken in time")
        self._pending, self._sent = data, 0
        try:
            self._push(deadline)
        except OSError:
            self._pending = b""
            raise

    def close(self) -> None:
        """Close the connection."""
        opened, self._socket, self._sent = self._socket, None, 0
        if opened is not None:
            opened.close()

    def _push(self, deadline: float) -> bool:
        """Send what is pending, over a new connection if this one has broken; return whether all of it was taken."""
        if self._socket is not None:
            try:
                return self._push_over(self._socket, deadline)
            except OSError:
                self.close()
        opened = self._connect()
        try:
            return self._push_over(opened, deadline)
        except OSError:
            self.close()
            raise

    def _push_over(self, opened: socket.socket, deadline: float) -> bool:
        _raise_if_closed(opened)
        while self._sent < len(self._pending):
            try:
                self._sent += opened.send(self._pending[self._sent :])
            except _FULL:
                if not wait_until_writable(opened, deadline):
                    return False
        self._pending, self._sent = b"", 0
        return True

    def _connect(self) -> socket.socket:
        now = time.monotonic()
        if now < self._retry_at:
            raise OSError(errno.ENOTCONN, self._failure)
        try:
            self._socket = opened = self._open_socket(CONNECT_TIMEOUT_SECONDS)
        except OSError as error:
            self._failure = describe_error(error)
            self._retry_at = time.monotonic() + self._retry_seconds
            self._retry_seconds = min(2 * self._retry_seconds, MAX_RETRY_SECONDS)
            raise
        self._retry_seconds = MIN_RETRY_SECONDS
        opened.setblocking(False)
        return opened


def open_local_socket(path: str) -> socket.socket:
    """Return a socket of datagrams that is connected to a path and doesn't block."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("Python has no local sockets on this platform")
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.connect(path)
    except OSError:
        opened.close()
        raise
    return opened


def _raise_if_closed(opened: socket.socket) -> None:
    """Raise ConnectionResetError if the peer has closed: the system would take a message for it all the same."""
    try:
        # A log server says nothing; what comes with TLS, such as session tickets, is consumed on the way.
        if not opened.recv(4096):
            raise ConnectionResetError(errno.ECONNRESET, "closed by the server")
    except _FULL:
        pass


def wait_until_writable(opened: socket.socket, deadline: float) -> bool:
    """Wait until a socket can take something; return False at once after the deadline, of the monotonic clock."""
    left = deadline - time.monotonic()
    if left <= 0:
        return False
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(opened, select.POLLOUT)
        return bool(poll.poll(left * 1000))
    return bool(select.select([], [opened], [], left)[1])
