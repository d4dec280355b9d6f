"""File descriptors kept in reserve, so that the daemon still answers when it has run out of them."""

import errno
import os
import time
import traceback

from loguru import logger

RESERVE_SIZE = 4
REPORT_INTERVAL_SECONDS = 60.0
"""A shortage is reported once in this time."""


class DescriptorReserve:
    """A few open descriptors that can be released when there are no others."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._reported_at: float | None = None
        self.fill()

    def fill(self) -> None:
        """Open descriptors until the reserve is full, or until the limit is reached."""
        try:
            while len(self._descriptors) < RESERVE_SIZE:
                self._descriptors.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return

    def release(self) -> None:
        """Close the reserve, which makes its descriptors available to others."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def report_shortage(self) -> None:
        """Log that descriptors have run out, at most once per `REPORT_INTERVAL_SECONDS`."""
        now = time.monotonic()
        if self._reported_at is None or now - self._reported_at >= REPORT_INTERVAL_SECONDS:
            self._reported_at = now
            logger.error("no file descriptors are left; raise the limit ('ulimit -n'), or run fewer jobs at once")


def is_descriptor_shortage(error: object) -> bool:
    """Return whether the error means that the process or the machine has no descriptors left."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def is_of_import(error: BaseException) -> bool:
    """Return whether an error was raised while a module was being imported, late, before anything was done."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_filename.startswith("<frozen importlib") for frame, _ in frames)
