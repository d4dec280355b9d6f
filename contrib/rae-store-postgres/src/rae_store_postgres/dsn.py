"""The dsn: its hosts one by one, and those parameters of libpq that are for the socket.

asyncpg hands parameters that it doesn't know to the server, which refuses them, and has one time limit for all hosts:
the second of two would never be tried while the first one's machine is off.
"""

import math
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from attrs import field, frozen

from rae_store_postgres.tls import find_missing_file

SCHEMES = ("postgresql", "postgres")

UNREADABLE = 'it can\'t be read as an address; write signs such as "@", "/" and ":" in a password as %40, %2F and %3A'

CONNECT_SECONDS = 5.0
"""Time for a connection to one host to be made, unless the dsn has `connect_timeout`."""

MIN_SILENCE_SECONDS, MAX_SILENCE_SECONDS = 2.0, 10.0

MAX_KEEPALIVE_SECONDS, MAX_KEEPALIVES, MAX_TIMEOUT_MILLISECONDS = 32_767, 127, 2**31 - 1
"""The greatest values that Linux takes."""

SOCKET_PARAMETERS = (
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)


@frozen
class Dsn:
    """A dsn that was taken apart."""

    text: str
    """The dsn as asyncpg takes it."""
    hosts: tuple[Mapping[str, Any], ...] = ({},)
    """Arguments of `asyncpg.connect` beside `text`, for each host: nothing where there is one."""
    _parameters: Mapping[str, int] = field(factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Dsn":
        """Take a dsn apart. Raises ValueError, without any part of it that may be a password."""
        parts = _split(text)
        if parts.scheme not in SCHEMES:
            raise ValueError(
                f'it doesn\'t begin with "{SCHEMES[0]}://"; write it as in postgresql://user@host/database'
            )
        query = parse_qsl(parts.query, keep_blank_values=True)
        parameters = {name: _parse_number(name, value) for name, value in query if name in SOCKET_PARAMETERS}
        if (missing := find_missing_file(dict(query))) is not None:
            raise ValueError(missing)
        kept = [one for one in parts.query.split("&") if one.partition("=")[0] not in SOCKET_PARAMETERS]
        hosts = _list_hosts(parts.netloc.rpartition("@")[2], dict(query))
        return cls(urlunsplit(parts._replace(query="&".join(kept))), hosts, parameters)

    @property
    def connect_seconds(self) -> float:
        """Return the time for a connection to one host to be made."""
        return float(self._parameters.get("connect_timeout") or CONNECT_SECONDS)

    def limit_silence(self, connection: Any, seconds: float) -> None:
        """Have the kernel end a connection whose other end has vanished for about so long.

        Otherwise that takes it many minutes, because the other end may only be slow. Where a person has set a
        parameter, that counts.
        """
        # asyncpg has no public way to its socket. Without it the limits of our own calls hold, which are longer.
        transport = getattr(connection, "_transport", None)
        found = None if transport is None else transport.get_extra_info("socket")
        if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
            return
        silence = min(max(seconds, MIN_SILENCE_SECONDS), MAX_SILENCE_SECONDS)
        given = self._parameters
        options = {
            "TCP_KEEPIDLE": min(given.get("keepalives_idle", math.ceil(silence)), MAX_KEEPALIVE_SECONDS),
            "TCP_KEEPINTVL": min(given.get("keepalives_interval", 1), MAX_KEEPALIVE_SECONDS),
            "TCP_KEEPCNT": min(given.get("keepalives_count", math.ceil(silence)), MAX_KEEPALIVES),
            "TCP_USER_TIMEOUT": min(given.get("tcp_user_timeout", int(silence * 1000)), MAX_TIMEOUT_MILLISECONDS),
        }
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, given.get("keepalives", 1))
        for name, value in options.items():
            # Not every system has all of them. 0 is "as the system has it", which is what it has now.
            if hasattr(socket, name) and value:
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def describe_place(text: str) -> str:
    """Return the server and the database of a dsn, without the user and the password."""
    try:
        parts = _split(text)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "PostgreSQL"
    # A password with "/", "?" or "#" that isn't encoded has parts of it elsewhere.
    if parts.scheme not in SCHEMES or any("@" in one for one in (parts.path, parts.query, parts.fragment)):
        return "PostgreSQL"
    host = parts.hostname or dict(parse_qsl(parts.query)).get("host") or "the local server"
    return f"PostgreSQL at {host}{port}{parts.path}"


def _split(text: str) -> Any:
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError(UNREADABLE) from None


def _parse_number(name: str, value: str) -> int:
    try:
        return max(int(value), 0)
    except ValueError:
        raise ValueError(f'"{name}" must be a whole number, not "{value}"') from None


def _list_hosts(hosts: str, query: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
    """Return the arguments for each host, from the address or the parameters. Raises ValueError."""
    names = (unquote(hosts) or query.get("host", "")).split(",")
    ports = query.get("port", "").split(",")
    if len(ports) not in (1, len(names)):
        raise ValueError(f"it has {len(names)} hosts and {len(ports)} ports; give one port, or one for each host")
    if len(ports) == 1:
        ports = ports * len(names)
    found = tuple(_parse_host(name, port) for name, port in zip(names, ports, strict=True))
    return found if len(found) > 1 else ({},)


def _parse_host(text: str, port: str) -> Mapping[str, Any]:
    name, number = text, ""
    if text.startswith("["):
        name, _, number = text[1:].partition("]")
        number = number.removeprefix(":")
    elif not text.startswith("/"):
        name, _, number = text.partition(":")
    number = number or port
    if number and not number.isdecimal():
        raise ValueError(UNREADABLE)
    return {"host": name, **({"port": int(number)} if number else {})}
