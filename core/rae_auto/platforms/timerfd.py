"""Timers of the Linux kernel that are descriptors, see timerfd_create(2); Python has them from version 3.13 on."""

import ctypes
import errno
import os
from typing import Any

ABSOLUTE, CANCEL_ON_SET = 1, 2
"""Flags of `Timerfd.set`: the time is an instant; the timer also becomes readable when the wall clock is set."""


class _Timerspec(ctypes.Structure):
    """struct itimerspec: an interval, which stays zero, and a time."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("_seconds", "_nanoseconds", "seconds", "nanoseconds"))


class Timerfd:
    """A timer of a clock. Errors of all methods: OSError, also where the system has no such timers."""

    def __init__(self, clock: int) -> None:
        """Create a timer that isn't set."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._call("timerfd_create", clock, os.O_CLOEXEC | os.O_NONBLOCK)

    def set(self, microseconds: int, flags: int) -> None:
        """Set the timer for a time, in microseconds since the epoch of its clock if it is absolute."""
        spec = _Timerspec(seconds=microseconds // 10**6, nanoseconds=microseconds % 10**6 * 1000)
        self._call("timerfd_settime", self.descriptor, flags, ctypes.byref(spec), None)

    def read(self) -> bool | None:
        """Return True if the wall clock was set, False if the time has come, None if neither has happened."""
        try:
            os.read(self.descriptor, 8)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
            return True
        return False

    def close(self) -> None:
        """Clear the timer, and close it."""
        os.close(self.descriptor)

    def _call(self, name: str, *arguments: Any) -> int:
        try:
            result = int(getattr(self._libc, name)(*arguments))
        except AttributeError:
            raise OSError(f"this system has no {name}") from None
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result
