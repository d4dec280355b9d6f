"""The desktop notifier: notices appear on the user's screen."""

from rae_auto.api import Notifier
from rae_auto.hookspecs import hookimpl
from rae_plugins.notifiers.desktop.notifier import DesktopNotifier

__all__ = ["DesktopNotifier", "rae_notifiers"]


@hookimpl
def rae_notifiers() -> list[type[Notifier]]:
    """Return the desktop notifier."""
    return [DesktopNotifier]
