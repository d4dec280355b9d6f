"""The adapter of the platform that this runs on."""

import sys

from rae_plugins.triggers.system.adapter import Adapter


def platform_adapter() -> Adapter:
    """Return the adapter of this platform; the portable one for platforms without their own."""
    if sys.platform.startswith("linux"):
        from rae_plugins.triggers.system.adapters.linux import Linux

        return Linux()
    if sys.platform == "win32":
        from rae_plugins.triggers.system.adapters.windows import Windows

        return Windows()
    if sys.platform == "darwin":
        from rae_plugins.triggers.system.adapters.macos import MacOS

        return MacOS()
    from rae_plugins.triggers.system.adapters.portable import Portable

    return Portable()
