"""A client of the daemon. Standard library only: most commands need nothing else."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rae_auto.control.protocol import Request, decode_answer, decode_event, encode_request
from rae_auto.control.transports.choice import control_transport
from rae_auto.errors import DaemonUnreachable
from rae_auto.paths import find_config, state_directory
from rae_auto.platforms.file_rights import file_rights

ANSWER_TIMEOUT_SECONDS = 30.0
"""The time to wait for an answer that the daemon can give at once."""


class Client:
    """A connection to the daemon of a state directory; a context manager."""

    def __init__(self, directory: Path | None = None, timeout: float | None = ANSWER_TIMEOUT_SECONDS) -> None:
        """Connect. An answer may take `timeout` seconds; None waits without a limit. Errors: DaemonUnreachable."""
        self.timezone: str | None = None
        """The configured time zone of the daemon; None until it is known, as while the daemon starts."""
        directory = directory or state_directory(find_config())
        transport = control_transport()
        try:
            self._socket = transport.connect(transport.path(directory), timeout)
        except OSError as error:
            raise unreachable(directory) from error
        self._lines = self._socket.makefile("rb")
        self._received = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._socket.close()

    def call(self, command: str, **arguments: Any) -> Any:
        """Return the result of a command, or raise the error that the daemon answers with."""
        return decode_answer(self._exchange(encode_request(Request(command, arguments, 1))))

    def wait_closed(self) -> None:
        """Wait without a limit until the daemon closes the connection, which it does when it has stopped."""
        self._socket.settimeout(None)
        with contextlib.suppress(OSError):
            while self._lines.read(1):
                pass

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the events of the event stream from now on, until the daemon ends."""
        self.call("events")
        self._socket.settimeout(None)
        with contextlib.suppress(OSError):
            for line in self._lines:
                event = decode_event(line)
                if event is not None:
                    yield event

    def send(self, command: str) -> None:
        """Send a request whose answer `receive` returns. Raises DaemonUnreachable."""
        try:
            self._socket.sendall(encode_request(Request(command, {}, 1)))
        except OSError as error:
            raise DaemonUnreachable(f"the daemon does not answer ({error})") from error

    def receive(self, limit_seconds: float | None) -> Any:
        """Return the answer to the request that was sent; None if it takes longer than this. Errors: as for `call`."""
        self._socket.settimeout(limit_seconds)
        while not self._received.endswith(b"\n"):
            try:
                part = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            except OSError as error:
                raise DaemonUnreachable(f"the daemon does not answer ({error})") from error
            if not part:
                raise DaemonUnreachable("the daemon closed the connection; see its log")
            self._received += part
        line, self._received = self._received, b""
        return decode_answer(line)

    def subscribe(self) -> None:
        """Subscribe to the event stream, for `wait_for_event`. The connection can't be used for requests after that."""
        self.call("events")

    def wait_for_event(self, limit_seconds: float | None) -> bool | None:
        """Return whether an event arrived within this many seconds; None if the daemon has ended."""
        self._socket.settimeout(limit_seconds)
        try:
            # The content doesn't matter, and everything that has arrived by now counts as one event.
            return True if self._socket.recv(1 << 16) else None
        except TimeoutError:
            return False
        except OSError:
            return None

    def read_event(self, limit_seconds: float | None) -> Mapping[str, Any] | None:
        """Return the next event after `subscribe`; None if there is none within this many seconds.

        Errors: DaemonUnreachable if the daemon has ended.
        """
        deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
        while True:
            line, end, rest = self._received.partition(b"\n")
            if end:
                self._received = rest
                if (event := decode_event(line)) is not None:
                    return event
                continue
            try:
                self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
                part = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            except OSError as error:
                raise DaemonUnreachable(f"the daemon does not answer ({error})") from error
            if not part:
                raise DaemonUnreachable("the daemon has stopped")
            self._received += part

    def _exchange(self, request: bytes) -> bytes:
        try:
            self._socket.sendall(request)
            line = self._lines.readline()
        except OSError as error:
            raise DaemonUnreachable(f"the daemon does not answer ({error})") from error
        if not line:
            raise DaemonUnreachable("the daemon closed the connection; see its log")
        return line


def unreachable(directory: Path) -> DaemonUnreachable:
    """Return the error for a state directory without a daemon that answers."""
    if (owner := file_rights().find_hidden_owner(directory)) is not None:
        return DaemonUnreachable(
            f"{directory} belongs to {owner}, and this user may not look into it; run the command as {owner}, or set "
            "RAE_STATE_DIR to a directory of your own"
        )
    return DaemonUnreachable(f"no daemon is running for {directory}; start one with 'rae-auto run'")


def is_daemon_running(directory: Path | None = None) -> bool:
    """Return whether a daemon accepts connections for a state directory."""
    try:
        Client(directory).close()
    except DaemonUnreachable:
        return False
    return True
