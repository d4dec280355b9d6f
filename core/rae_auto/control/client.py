"""A client of the daemon. Standard library only: most commands need nothing else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from rae_auto.control.protocol import decode_answer, decode_event, encode_request
from rae_auto.control.received_lines import ReceivedLines
from rae_auto.control.transports.choice import control_transport
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.formatting import describe_error
from rae_auto.paths import find_config, state_directory
from rae_auto.platforms.file_rights import file_rights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSWER_TIMEOUT_SECONDS = 30.0
"""The time to wait for an answer that the daemon can give at once."""


class Client:
    """A connection to the daemon of a state directory; a context manager."""

    def __init__(self, directory: Path | None = None, timeout: float | None = ANSWER_TIMEOUT_SECONDS) -> None:
        """Connect. An answer may take `timeout` seconds; None waits without a limit. Errors: DaemonUnreachable."""
        self.timezone: str | None = None
        """The configured time zone of the daemon; None until it is known."""
        directory = directory or state_directory(find_config())
        transport = control_transport()
        try:
            self._socket = transport.connect(transport.path(directory), timeout)
        except OSError as error:
            raise unreachable(directory) from error
        self._timeout = timeout
        self._lines = ReceivedLines(self._socket)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def call(self, command: str, **arguments: Any) -> Any:
        """Return the result of a command, or raise the error that the daemon answers with."""
        return next(self.call_each((command, arguments)))

    def call_each(self, *requests: tuple[str, Mapping[str, Any]]) -> Iterator[Any]:
        """Yield the result of each command with its arguments; all are sent in one message when the first is asked for.

        Raises the errors that the daemon answers with, each in its place.
        """
        self._send(*requests)
        for _ in requests:
            line = self._read_line(self._timeout)
            if line is None:
                raise DaemonUnreachable(f"the daemon has not answered for {self._timeout:g} s; see its log")
            yield _decode_answer(line)

    def send(self, command: str, **arguments: Any) -> None:
        """Send a request whose answer `receive` returns. Raises DaemonUnreachable."""
        self._send((command, arguments))

    def _send(self, *requests: tuple[str, Mapping[str, Any]]) -> None:
        lines = [encode_request(command, arguments, 1) for command, arguments in requests]
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(b"".join(lines))
        except OSError as error:
            raise _silent(error) from error

    def receive(self, limit_seconds: float | None) -> Any:
        """Return the answer to the request that was sent; None if it takes longer than this. Errors: as for `call`."""
        line = self._read_line(limit_seconds)
        return None if line is None else _decode_answer(line)

    def wait_closed(self) -> None:
        """Wait without a limit until the daemon closes the connection, which it does when it has stopped."""
        with contextlib.suppress(DaemonUnreachable):
            while self._read_line(None):
                pass

    def subscribe(self) -> None:
        """Subscribe to the event stream. The connection can't be used for requests after that."""
        self.call("events")

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Subscribe, and return the events of the event stream from then on, until the daemon ends."""
        self.subscribe()
        return self._read_events()

    def _read_events(self) -> Iterator[Mapping[str, Any]]:
        with contextlib.suppress(DaemonUnreachable):
            while (event := self.read_event(None)) is not None:
                yield event

    def read_event(self, limit_seconds: float | None) -> Mapping[str, Any] | None:
        """Return the next event after `subscribe`; None if there is none within this many seconds.

        Errors: DaemonUnreachable if the daemon has ended.
        """
        deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
        while (line := self._read_line(None if deadline is None else deadline - time.monotonic())) is not None:
            if not line:
                raise DaemonUnreachable("the daemon has stopped")
            if (event := decode_event(line)) is not None:
                return event
        return None

    def wait_for_event(self, limit_seconds: float | None) -> bool | None:
        """Return whether an event arrived within this many seconds; None if the daemon has ended.

        Everything that has arrived by now counts as one event.
        """
        try:
            event = self.read_event(limit_seconds)
        except DaemonUnreachable:
            return None
        self._lines.drop()
        return event is not None

    def _read_line(self, limit_seconds: float | None) -> bytes | None:
        """Return the next line as `ReceivedLines.read` does. Raises DaemonUnreachable."""
        try:
            return self._lines.read(limit_seconds)
        except OSError as error:
            raise _silent(error) from error


def _decode_answer(line: bytes) -> Any:
    """Return the result in the line of an answer. Errors: the one in it; DaemonUnreachable if the line is empty."""
    if not line:
        raise DaemonUnreachable("the daemon closed the connection; see its log")
    return decode_answer(line)


def _silent(error: OSError) -> DaemonUnreachable:
    return DaemonUnreachable(f"the daemon does not answer ({describe_error(error)})")


def required_zone(timezone: str | None) -> str:
    """Return the time zone that a daemon gave. Errors: DaemonUnreachable if it gave none.

    One of 0.1.0 gives none while it starts. That of this machine in its place would show wrong times as right ones.
    """
    if timezone is None:
        raise DaemonUnreachable("the daemon is starting, and does not say its time zone yet; try again")
    return timezone


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
