"""The choice of what reads the idle time and the power supply on a platform."""

import sys
from collections.abc import Awaitable, Callable, Mapping

IdleSource = Callable[[Mapping[str, str]], Awaitable[tuple[float, str]]]
"""Reads the seconds and names their source, given the environment; raises IdleUnknown or BusFailure."""


def _platform() -> str:
    return sys.platform


def list_idle_sources() -> tuple[IdleSource, ...]:
    """Return the sources of idle time of this platform, the best first."""
    from rae_plugins.machine.idle_native import macos, windows  # lazy: memory

    if (own := {"win32": windows, "darwin": macos}.get(_platform())) is not None:
        return (own,)
    from rae_plugins.machine.idle_bus import logind, mutter, screen_saver  # lazy: memory
    from rae_plugins.machine.idle_x11 import x11  # lazy: memory

    return (x11, mutter, screen_saver, logind)


def has_supply_files() -> bool:
    """Return whether power supplies are listed in /sys, as Linux does; elsewhere psutil reports them."""
    return _platform() == "linux"
