"""The base of all plugins: an attrs class whose fields are its options."""

from abc import ABC
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from attrs import frozen

from rae_auto.api.summaries import summarize_options


class Kind(StrEnum):
    """The kinds of plugins."""

    TRIGGER = "trigger"
    EXECUTOR = "executor"
    STORE = "store"
    LOGGER = "logger"
    NOTIFIER = "notifier"
    GUARD = "guard"
    COMMAND = "command"


@frozen
class Variants:
    """The variants of a plugin: one option chooses among classes, each with options of its own."""

    option: str
    """The name of the option that chooses."""

    classes: "Mapping[str, type[Plugin]]"
    """The class of each value of the option: an attrs class, as any plugin, with the same `type`."""

    help: str = ""
    """The help of the option that chooses."""


class Plugin(ABC):
    """Base of all plugins.

    A plugin is an attrs class: its fields are its options, their types and defaults check and document the
    configuration, a field's `metadata={"help": …}` explains it. A field called `from_` is the option `from`. A field
    named `timezone` that the configuration leaves out gets the configured time zone, an IANA name, before the class is
    made. Lists and tables of a frozen class can't be changed, and have hashes.
    """

    type: ClassVar[str]
    """The word by which a configuration chooses the plugin; equal to the name of its entry point."""

    example: ClassVar[Mapping[str, Any]] = {}
    """Options of a typical use, as JSON values; `rae-auto plugins show` prints them as TOML."""

    @classmethod
    def available(cls) -> str | None:
        """Return why the plugin can't work on this machine, in one line, or None if it can. Quick, no side effects."""
        return None

    @classmethod
    def variants(cls) -> Variants | None:
        """Return the variants of the plugin, or None if it has the same options in each use.

        A plugin with variants is an attrs class too, but is never instantiated: its variants take its place, and
        must not derive from it.
        """
        return None

    def summary(self) -> str:
        """Return the plugin in a few words, for lists and `why`: one line of at most 80 characters. Pure.

        By default its type, and the options that differ from their defaults: `load below 2`. Nothing secret.
        """
        return summarize_options(self)

    def describe(self) -> str:
        """Return the plugin as part of a sentence, without a full stop; by default its summary. Pure."""
        return self.summary()

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about the options on this machine, which `rae-auto check` shows; one line each.

        A program that isn't installed or a folder that doesn't exist is a warning and not an error, because it may
        exist later. Quick, and without side effects: don't run programs or use the network.
        """
        return ()

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return what keeps the plugin from working now, which `rae-auto doctor` shows; one line each, with the remedy.

        Unlike `warnings`, which `doctor` shows too, it may connect to what the plugin depends on, and take some
        seconds in a thread of its own. It changes nothing, and sends nothing to people. `directory` is that of the
        state, which need not exist. A remedy follows the last semicolon: `mail.example.org:587: refused; check port`.
        """
        return ()

    def kernel_needs(self) -> Mapping[str, int]:
        """Return how much of the kernel's limits it takes in a running daemon, by their names below `/proc/sys`.

        `doctor` adds them up, as in `{"fs/inotify/max_user_watches": 120}`. As with `problems`, it may read the disk
        for some seconds.
        """
        return {}

    def read_files(self) -> Mapping[str, tuple[int, ...] | None]:
        """Return the files that it read when it was made, each as `toolkit.files.identify_file` saw it before that.

        When one changes, the plugin is made again, and takes the place of the one before if the two are not equal.
        `warnings` that it has then, and had not before, are logged.
        """
        return {}


class PluginSource(Protocol):
    """A source of plugin classes, by kind and name."""

    def names(self, kind: Kind) -> Collection[str]:
        """Return the names of the installed plugins of a kind, working or not; imports none of them."""
        ...

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        """Return the class of a plugin. Raises PluginNotFound, PluginBroken, PluginUnavailable."""
        ...


@runtime_checkable
class ConfigurableSource(PluginSource, Protocol):
    """A source of plugin classes to which a configuration may add files, and of which it may leave plugins out."""

    def configure(self, paths: Sequence[Path], disabled: Collection[str]) -> Sequence[str]:
        """Use the plugins in these files and folders too, and not the disabled ones; return the problems, a line each.

        Called each time that the configuration is read.
        """
        ...
