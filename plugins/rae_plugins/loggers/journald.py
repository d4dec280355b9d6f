"""The journald logger: log lines in the journal of systemd, with their job and run as fields.

The protocol is systemd's own, https://systemd.io/JOURNAL_NATIVE_PROTOCOL/, written here because the libraries for it
are bindings that need systemd's headers to build.
"""

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Logger, LogLine
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.formatting import quote
from rae_auto.toolkit.files import is_there
from rae_plugins.loggers.line_formats import LogLevel
from rae_plugins.loggers.log_line import IDENTIFIER
from rae_plugins.loggers.platform_logs import find_log_obstacle
from rae_plugins.loggers.socket_sink import DatagramConnection, SocketSink, open_local_socket

DEFAULT_SOCKET = "/run/systemd/journal/socket"

MESSAGE_IDS = {
    "starting": "84132cf3434e53dd9a1326535553a67b",
    "retrying": "81c35ba0f7ed523a9de5800bb9639933",
    "succeeded": "44ef87b7f33555489feeb91200368ea5",
    "failed": "f11f8eaa487159f5824efbe68bcc2ac5",
    "timed_out": "1548f0f383645932b3b492ce6116a704",
    "cancelled": "ccfa7e07e64b5e368e246eea6c2fb78c",
    "interrupted": "9d7a8e992dbe5490a43364421a841f0a",
    "skipped": "5927dc48250e58cfb13613b0a2bde971",
    "lost": "d78b0ba344995768a664d84eef87c038",
}
"""The kind of a line, by the state that a run has reached. These never change: people search for them."""


@frozen(kw_only=True)
class JournaldLogger(Logger):
    """Writes to the journal of systemd, which `journalctl -t rae-auto` shows."""

    type: ClassVar[str] = "journald"

    level: LogLevel = field(default="INFO", metadata={"help": "lowest level that is written"})
    output: bool = field(default=False, metadata={"help": "also write what jobs print, line by line, as it comes"})
    socket: str = field(default=DEFAULT_SOCKET, metadata={"help": "the socket of journald", "is_path": True})

    @classmethod
    def available(cls) -> str | None:
        """Return why there can be no journal here."""
        return find_log_obstacle("journald")

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if journald doesn't run."""
        path = Path(self.socket).expanduser()
        return () if is_there(path) else (f"socket {quote(path)} does not exist yet; start systemd-journald",)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why journald can't be reached; nothing is logged."""
        try:
            open_local_socket(str(Path(self.socket).expanduser())).close()
        except OSError as error:
            problem = f"{quote(self.socket)} does not answer ({error.strerror or error}); start systemd-journald"
            return () if self.warnings() else (problem,)
        return ()

    def shows_output(self) -> bool:
        """Return whether what jobs print is written too."""
        return self.output

    def place(self) -> str:
        """Return the command that shows the lines."""
        return f"'journalctl -t {IDENTIFIER}'"

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the handler that writes to the journal."""
        connection = _JournalConnection(str(Path(self.socket).expanduser()))
        return {
            "sink": SocketSink("journald", connection, encode_log_line),
            "level": self.level,
            "format": "{message}",
        }


class _JournalConnection(DatagramConnection):
    """Records as datagrams; those that a datagram can't hold as sealed files in memory."""

    def __init__(self, path: str) -> None:
        super().__init__(lambda: open_local_socket(path))

    def transmit_once(self, opened: socket.socket, data: bytes) -> None:
        try:
            opened.send(data)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            _send_in_file(opened, data)


def _send_in_file(opened: socket.socket, data: bytes) -> None:
    """Send a record as a file without a name, sealed, so that journald may rely on what it reads."""
    import fcntl  # lazy: only on Linux

    descriptor = os.memfd_create("rae-auto-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        socket.send_fds(opened, [b""], [descriptor])
    finally:
        os.close(descriptor)


def encode_log_line(entry: LogLine) -> bytes:
    """Return an entry in the native protocol of journald."""
    return b"".join(_encode_field(name, value) for name, value in _fields(entry) if value)


def _fields(entry: LogLine) -> Iterator[tuple[str, str]]:
    yield "MESSAGE", entry.text
    yield "PRIORITY", str(entry.priority)
    yield "SYSLOG_IDENTIFIER", IDENTIFIER
    yield "RAE_JOB", entry.job
    yield "RAE_RUN_ID", entry.run
    yield "RAE_STATE", entry.state
    yield "MESSAGE_ID", MESSAGE_IDS.get(entry.state, "")
    yield "CODE_FILE", entry.file
    yield "CODE_LINE", str(entry.line or "")
    yield "CODE_FUNC", entry.function


def _encode_field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" in data:
        return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
    return b"%b=%b\n" % (name.encode(), data)


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """Return the journald logger."""
    return [JournaldLogger]
