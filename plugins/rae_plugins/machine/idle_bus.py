"""Idle time from services on D-Bus: GNOME's compositor, KDE's screen saver, and logind."""

import time
from collections.abc import Mapping

from rae_plugins.machine.bus import Target, session_bus, system_bus
from rae_plugins.machine.idle_source import IdleUnknown, is_wayland

_MUTTER = Target("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor")
_SCREEN_SAVER = Target("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver")
_SESSION = Target("org.freedesktop.login1", "/org/freedesktop/login1/session/auto", "org.freedesktop.login1.Session")
"""The caller's session, or that of its user which has a display (systemd 243 and later)."""


async def mutter(_: Mapping[str, str]) -> tuple[float, str]:
    """GNOME's compositor counts milliseconds, on Wayland too."""
    async with session_bus() as bus:
        (milliseconds,) = await bus.call(_MUTTER, "GetIdletime")
    return milliseconds / 1000, "GNOME's compositor"


async def screen_saver(environment: Mapping[str, str]) -> tuple[float, str]:
    """KDE's screen saver reports milliseconds from KIdleTime, which on Wayland doesn't know them and says 0."""
    async with session_bus() as bus:
        (milliseconds,) = await bus.call(_SCREEN_SAVER, "GetSessionIdleTime")
    if milliseconds == 0 and is_wayland(environment):
        raise IdleUnknown("org.freedesktop.ScreenSaver reports 0, which on Wayland means unknown")
    return milliseconds / 1000, "the screen saver"


async def logind(_: Mapping[str, str]) -> tuple[float, str]:
    """Read the idle hint that a desktop gave logind, which is mostly less than the true time.

    A hint that was never set has the time 0; then its "not idle" says nothing.
    """
    async with system_bus() as bus:
        session = await bus.properties(_SESSION)
    if not session["IdleSinceHintMonotonic"]:
        raise IdleUnknown("no desktop reports to logind whether its session is idle")
    since = session["IdleSinceHintMonotonic"] / 1e6
    return (time.monotonic() - since if session["IdleHint"] else 0.0), "logind"
