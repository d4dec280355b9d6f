"""A few descriptors kept back, so that the daemon can still be asked when it has no others left."""

import errno
import os
import time

from loguru import logger

SIZE = 4
QUIET = 60.0
"""Seconds in which a shortage is told once."""


class Reserve:
    """Descriptors to give up when there are no others."""

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._told_at: float | None = None
        self.fill()

    def fill(self) -> None:
        """Have all of them again, as far as there are any."""
        try:
            while len(self._kept) < SIZE:
                self._kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return

    def give(self) -> None:
        """Let them go."""
        while self._kept:
            os.close(self._kept.pop())

    def tell(self) -> None:
        """Say that there is a shortage, once in a while."""
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= QUIET:
            self._told_at = now
            logger.error("no file descriptors are left; raise the limit ('ulimit -n'), or run fewer jobs at once")


def is_shortage(error: object) -> bool:
    """Whether an error says that the process or the machine has no descriptors left."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
