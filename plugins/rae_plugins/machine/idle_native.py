"""Idle time from the systems that count it themselves: Windows and macOS."""

from collections.abc import Mapping
from typing import Any

from rae_plugins.machine.idle_source import IdleUnknown

_HID_SYSTEM_STATE = 1
_ANY_INPUT = 0xFFFFFFFF
_APPLICATION_SERVICES = "/System/Library/Frameworks/ApplicationServices.framework/ApplicationServices"


async def windows(_: Mapping[str, str]) -> tuple[float, str]:
    """GetLastInputInfo: milliseconds of the session that the daemon runs in, in 32 bits that wrap after 49 days."""
    import ctypes

    libraries: Any = ctypes.windll  # type: ignore[attr-defined,unused-ignore]  # only there
    # LASTINPUTINFO: its own size, and the tick of the last input.
    last = (ctypes.c_uint * 2)(8, 0)
    if not libraries.user32.GetLastInputInfo(ctypes.byref(last)):
        raise IdleUnknown("GetLastInputInfo failed: the daemon runs in no session of a user")
    now = libraries.kernel32.GetTickCount()
    return ((now - last[1]) & 0xFFFFFFFF) / 1000, "Windows"


async def macos(_: Mapping[str, str]) -> tuple[float, str]:
    """CGEventSourceSecondsSinceLastEventType, for any kind of input."""
    import ctypes

    since = ctypes.CDLL(_APPLICATION_SERVICES).CGEventSourceSecondsSinceLastEventType
    since.restype = ctypes.c_double
    since.argtypes = (ctypes.c_int32, ctypes.c_uint32)
    return float(since(_HID_SYSTEM_STATE, _ANY_INPUT)), "macOS"
