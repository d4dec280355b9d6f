"""What every plugin is: an attrs class whose fields are its options."""

from abc import ABC
from collections.abc import Collection
from enum import StrEnum
from typing import ClassVar, Protocol


class Kind(StrEnum):
    """The kinds of plugins."""

    TRIGGER = "trigger"
    EXECUTOR = "executor"
    STORE = "store"
    LOGGER = "logger"
    NOTIFIER = "notifier"
    GUARD = "guard"


class Plugin(ABC):
    """Base of all plugins.

    A plugin is an attrs class: its fields are its options, their types and defaults check and document the
    configuration, a field's `metadata={"help": …}` explains it. A field called `from_` is the option `from`.
    """

    type: ClassVar[str]
    """The word by which a configuration chooses the plugin; equal to the name of its entry point."""

    @classmethod
    def available(cls) -> str | None:
        """Why the plugin can't serve on this machine, in one line, or None if it can. Quick, without side effects."""
        return None


class PluginSource(Protocol):
    """A source of plugin classes, by kind and name."""

    def names(self, kind: Kind) -> Collection[str]:
        """Return the names of the installed plugins of a kind, working or not; imports none of them."""
        ...

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        """Return the class of a plugin. Raises PluginNotFound, PluginBroken, PluginUnavailable."""
        ...
