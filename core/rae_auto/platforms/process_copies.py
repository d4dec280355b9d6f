"""Copies of this process: whether a child may go on with what its parent had in memory."""

import os
import sys
import threading


def can_copy_process(platform: str = sys.platform) -> bool:
    """Return whether a fork without a new program is safe here and now.

    Windows has no such thing, system libraries of macOS may fail in the child, and only one thread is copied.
    """
    return hasattr(os, "fork") and platform != "darwin" and threading.active_count() == 1
