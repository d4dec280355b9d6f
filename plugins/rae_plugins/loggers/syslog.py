"""The syslog logger: log lines to this machine's syslog daemon, or over the network to another's."""

import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import field, frozen, validators

from rae_auto.api import Logger, LogLine
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.problems import invalid
from rae_auto.toolkit.files import is_there
from rae_plugins.loggers import platform_logs
from rae_plugins.loggers.line_formats import LogLevel
from rae_plugins.loggers.socket_sink import (
    DatagramConnection,
    LogConnection,
    SocketSink,
    StreamConnection,
    open_local_socket,
)
from rae_plugins.loggers.syslog_format import FACILITIES, encode_local, encode_rfc5424, frame_by_octets

DEFAULT_PORTS = {"udp": 514, "tcp": 514, "tls": 6514}

CHECK_TIMEOUT_SECONDS = 5.0

Protocol = Literal["udp", "tcp", "tls"]
Facility = Literal[
    "user", "daemon", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"
]


@frozen(kw_only=True)
class SyslogLogger(Logger):
    """Writes to the syslog daemon of this machine, or of another by UDP, TCP or TLS."""

    type: ClassVar[str] = "syslog"

    level: LogLevel = field(default="INFO", metadata={"help": "lowest level that is written"})
    output: bool = field(default=False, metadata={"help": "also write what jobs print, line by line, as it comes"})
    facility: Facility = field(default="daemon", metadata={"help": "the facility, by which daemons sort lines"})
    socket: str | None = field(
        default=None, metadata={"help": "the socket of the daemon; by default the platform's", "is_path": True}
    )
    host: str | None = field(default=None, metadata={"help": "the server; if absent, this machine's own daemon"})
    port: int | None = field(
        default=None,
        validator=validators.optional([validators.ge(1), validators.le(65535)]),
        metadata={"help": "port of the server: 514, or 6514 for tls"},
    )
    protocol: Protocol = field(default="udp", metadata={"help": "how the server is reached"})
    ca_file: str | None = field(
        default=None, metadata={"help": "certificates to trust instead of this machine's, for tls", "is_path": True}
    )

    def __attrs_post_init__(self) -> None:
        if self.host is None and (self.port or self.ca_file or self.protocol != "udp"):
            raise invalid('port, protocol and ca_file are for a server; add host, as in host = "logs.example.org"')
        if self.host is not None and self.socket is not None:
            raise invalid("host and socket exclude each other; remove one")
        if self.ca_file and self.protocol != "tls":
            raise invalid('is for TLS; add protocol = "tls", or remove it', "ca_file")

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about a daemon that doesn't run, or certificates that aren't there."""
        if self.host is None:
            path = self._socket_path()
            return () if is_there(path) else (f"socket {quote(path)} does not exist yet; start a syslog daemon",)
        if self.ca_file and not is_there(certificates := Path(self.ca_file).expanduser()):
            return (f"file {quote(certificates)} does not exist yet; the server can't be trusted without it",)
        return ()

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why the daemon or the server can't be reached; nothing is logged."""
        try:
            if self.host is None:
                open_local_socket(str(self._socket_path())).close()
            elif self.protocol == "udp":
                _open_udp(self.host, self._port()).close()
            elif self.protocol == "tcp":
                _open_tcp(self.host, self._port(), CHECK_TIMEOUT_SECONDS).close()
            else:
                _open_tls(self.host, self._port(), self.ca_file, CHECK_TIMEOUT_SECONDS).close()
        except OSError as error:
            hint = "start a syslog daemon" if self.host is None else "check host, port and protocol"
            return () if self.warnings() else (f"{self.place()} can't be reached ({error.strerror or error}); {hint}",)
        return ()

    def shows_output(self) -> bool:
        """Return whether what jobs print is written too."""
        return self.output

    def place(self) -> str:
        """Return where the lines go."""
        return f"syslog at {self._address()}"

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the handler that writes to syslog."""
        connection, encode = self._connection()
        return {
            "sink": SocketSink(self.place(), connection, encode),
            "level": self.level,
            "format": "{message}",
        }

    def _socket_path(self) -> Path:
        return Path(self.socket or platform_logs.local_socket()).expanduser()

    def _address(self) -> str:
        return str(self._socket_path()) if self.host is None else f"{self.host}:{self._port()}"

    def _port(self) -> int:
        return self.port or DEFAULT_PORTS[self.protocol]

    def _connection(self) -> tuple[LogConnection, Callable[[LogLine], bytes]]:
        """Return the way to the daemon, and the form in which it takes lines there."""
        facility = FACILITIES[self.facility]
        if self.host is None:
            path = str(self._socket_path())
            return DatagramConnection(lambda: open_local_socket(path)), partial(encode_local, facility=facility)
        encode = partial(encode_rfc5424, facility=facility, host=socket.gethostname())
        if self.protocol == "udp":
            return DatagramConnection(partial(_open_udp, self.host, self._port())), encode
        if self.protocol == "tcp":
            open_stream = partial(_open_tcp, self.host, self._port())
        else:
            open_stream = partial(_open_tls, self.host, self._port(), self.ca_file)
        return StreamConnection(open_stream), lambda entry: frame_by_octets(encode(entry))


def _open_tcp(host: str, port: int, timeout_seconds: float) -> socket.socket:
    return socket.create_connection((host, port), timeout_seconds)


def _open_tls(host: str, port: int, ca_file: str | None, timeout_seconds: float) -> socket.socket:
    import ssl  # lazy: memory

    opened = _open_tcp(host, port, timeout_seconds)
    try:
        trusted = None if ca_file is None else Path(ca_file).expanduser()
        return ssl.create_default_context(cafile=trusted).wrap_socket(opened, server_hostname=host)
    except OSError:
        opened.close()
        raise


def _open_udp(host: str, port: int) -> socket.socket:
    last = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            opened.connect(address)
        except OSError as error:
            opened.close()
            last = error
        else:
            return opened
    raise last


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """Return the syslog logger."""
    return [SyslogLogger]
