"""Logs of platforms: which ones there are on each, in the order in which `native` chooses among them."""

import sys

from attrs import frozen


@frozen
class _PlatformLog:
    """A log that some platforms have, as `sys.platform` begins, and how messages name it."""

    platforms: tuple[str, ...]
    obstacle: str
    """Why there is none elsewhere."""


_LOGS = {
    "journald": _PlatformLog(("linux",), "the journal of systemd exists on Linux only"),
    "eventlog": _PlatformLog(("win32",), "the Event Log exists on Windows only"),
    "oslog": _PlatformLog(("darwin",), "the unified log exists on macOS only"),
}

_WITHOUT_SYSLOG = ("win32", "darwin")
"""Windows has none, and what macOS gets by syslog its own log has too."""

_SYSLOG_SOCKETS = {"darwin": "/var/run/syslog", "freebsd": "/var/run/log"}
_SYSLOG_SOCKET = "/dev/log"


def _is_on(platforms: tuple[str, ...]) -> bool:
    return sys.platform.startswith(platforms)


def find_log_obstacle(name: str) -> str | None:
    """Return why the log of a logger can't be here, None if it can."""
    log = _LOGS[name]
    return None if _is_on(log.platforms) else log.obstacle


def native_logs() -> tuple[str, ...]:
    """Return the loggers of the logs that this platform may have, the best first."""
    own = [name for name, log in _LOGS.items() if _is_on(log.platforms)]
    return (*own, *(() if _is_on(_WITHOUT_SYSLOG) else ("syslog",)))


def local_socket() -> str:
    """Return the path of the socket on which the syslog daemon of this platform listens."""
    return next((path for name, path in _SYSLOG_SOCKETS.items() if _is_on((name,))), _SYSLOG_SOCKET)
