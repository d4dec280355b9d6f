"""Threads that give way to all other work on the machine."""

import os
import sys
from contextlib import suppress
from threading import get_native_id

LOWEST_PRIORITY = 19


def give_way() -> None:
    """Give the calling thread the lowest priority, for good, where a thread has one of its own.

    It is for threads that no other one waits for, and that hardly run Python: while a thread has Python's lock, all
    others wait for it. The main thread keeps its priority: all that it starts would have the lowest one, too.
    """
    if sys.platform == "linux" and get_native_id() != os.getpid():
        # Elsewhere this would be the priority of the whole process.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), LOWEST_PRIORITY)
