"""Copies of this process: whether a child may go on with what its parent had in memory, and its end."""

import os
import signal
import sys
import threading
from contextlib import suppress

_SET_DEATH_SIGNAL = 1
"""The option of prctl(2)."""


def can_copy_process(platform: str = sys.platform) -> bool:
    """Return whether a fork without a new program is safe here and now.

    Windows has no such thing, system libraries of macOS may fail in the child, and only one thread is copied.
    """
    return hasattr(os, "fork") and platform != "darwin" and threading.active_count() == 1


def end_with_parent(parent: int) -> None:
    """Have the kernel end this copy of a process when its parent has ended, also while it waits for a file. Linux."""
    import ctypes  # lazy: start-up

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)  # it had ended before
