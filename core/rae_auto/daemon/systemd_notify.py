"""The daemon's side of sd_notify(3): ready, reloading, stopping, a line of status, and signs of life.

A service manager that wants to know passes the address of a datagram socket in NOTIFY_SOCKET, and in WATCHDOG_USEC the
time after which it takes a silent daemon for a hung one. Both are removed from the environment, so that no job speaks
for the daemon. Without them nothing is sent. Our own, because the library for it (sdnotify) is as short and was last
released in 2017.
"""

import os
import socket
import time
from collections.abc import MutableMapping

from loguru import logger

STOP_MARGIN_SECONDS = 10
"""Time beyond its grace that a stop may take."""


class SystemdNotify:
    """Reports the daemon's state to the service manager. Nothing here waits or raises."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take the addresses out of an environment."""
        self._address = environment.pop("NOTIFY_SOCKET", "")
        watchdog = environment.pop("WATCHDOG_USEC", "")
        is_for_us = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        has_watchdog = self._address and is_for_us and watchdog.isdecimal() and int(watchdog) > 0
        self.ping_seconds = int(watchdog) / 2e6 if has_watchdog else None
        """The longest time between two signs of life, half of what the watchdog allows; None without a watchdog."""
        self._pinged_at = float("-inf")

    def report_ready(self, status: str) -> None:
        """Report that requests are accepted: after the start, and after a reload, successful or not."""
        self._send("READY=1", f"STATUS={status}")

    def report_reloading(self) -> None:
        """Report that the configuration is being read again; `report_ready` must follow."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def report_stopping(self, grace_seconds: float) -> None:
        """Report that the daemon stops, and how long that may take; after a reload this may exceed the unit's limit."""
        limit = int((grace_seconds + STOP_MARGIN_SECONDS) * 1e6)
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={limit}", "STATUS=stopping")

    def ping(self) -> None:
        """Give a sign of life, unless the last one is recent. The loop calls this, since its life is what counts."""
        now = time.monotonic()
        if self.ping_seconds is not None and now - self._pinged_at >= self.ping_seconds / 2:
            self._pinged_at = now
            self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        # An address that begins with "@" is in the abstract namespace of Linux.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
                sending.setblocking(False)
                sending.sendto("\n".join(line.replace("\n", " ") for line in assignments).encode(), address)
        except OSError as error:
            logger.warning("the service manager can't be told {}: {}", assignments[0], error)
