"""The adapter of the platform that this runs on."""

import sys

from rae_plugins.triggers.system.adapter import Adapter


def _platform() -> str:
    return "linux" if sys.platform.startswith("linux") else sys.platform


def has_system_bus() -> bool:
    """Return whether some events come from the system bus here."""
    return _platform() == "linux"


def platform_adapter() -> Adapter:
    """Return the adapter of this platform; the portable one for platforms without their own."""
    match _platform():
        case "linux":
            from rae_plugins.triggers.system.adapters.linux import Linux

            return Linux()
        case "win32":
            from rae_plugins.triggers.system.adapters.windows import Windows

            return Windows()
        case "darwin":
            from rae_plugins.triggers.system.adapters.macos import MacOS

            return MacOS()
    from rae_plugins.triggers.system.adapters.portable import Portable

    return Portable()
