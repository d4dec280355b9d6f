"""The notifier `apprise`: notices go to the services that Apprise knows, by a process that ends after use."""

from rae_auto.hookspecs import hookimpl
from rae_notifier_apprise.notifier import AppriseNotifier

__all__ = ["RAE_API", "AppriseNotifier", "rae_notifiers"]

RAE_API = 1


@hookimpl
def rae_notifiers() -> list[type[AppriseNotifier]]:
    """Return the apprise notifier."""
    return [AppriseNotifier]
