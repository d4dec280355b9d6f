"""The contract of commands, which add a subcommand to `rae-auto`."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo

from rae_auto.api.plugin import Plugin

MAX_SUMMARY_CHARACTERS = 90
"""The length of the first line of a module's docstring, which is the command's line in 'rae-auto --help'."""

RESERVED_OPTIONS = frozenset({"config", "help", "h"})
"""Options that every command has already."""


class ControlClient(Protocol):
    """A connection to the daemon; a context manager. `rae_auto.daemon.commands` has the commands it answers."""

    def call(self, command: str, **arguments: Any) -> Any:
        """Return the result of a command as JSON values, or raise the error that the daemon answers with."""
        ...

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Subscribe, and return the events of the event stream from then on, until the daemon ends."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class CommandContext(Protocol):
    """The surroundings of a command: the configuration, the daemon, and the store where none is running.

    `rae_auto.testing.commands.FakeContext` stands in for it in tests.
    """

    @property
    def config(self) -> Path | None:
        """The configuration: that of `--config`, or the nearest rae.toml; None if there is none."""
        ...

    @property
    def state_directory(self) -> Path:
        """The state directory of the configuration."""
        ...

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which people read times: that of the daemon, or of the configuration."""
        ...

    def connect(self, timeout_seconds: float | None = 30.0) -> ControlClient:
        """Return a connection to the daemon, on which an answer may take so long. Raises DaemonUnreachable."""
        ...

    def query(self, command: str, **arguments: Any) -> Any:
        """Return the answer of a control command that reads; from the store where no daemon is running.

        Raises the errors of `rae_auto.errors`: ConfigError where there is no daemon and no configuration either.
        """
        ...


class Command(Plugin):
    """A subcommand of `rae-auto`. Its fields are its options: `read_only: bool = False` is `--read-only`.

    A field with `metadata={"argument": True}` is an argument instead, a tuple an option that may be repeated, or a
    list of arguments. The first line of the module's docstring is shown in 'rae-auto --help', which reads it without
    importing the module, and the docstring of the class in 'rae-auto NAME --help'. `--config` comes by itself.
    """

    @abstractmethod
    def run(self, context: CommandContext) -> int | None:
        """Carry the command out and return the exit code; None is 0.

        An error of `rae_auto.errors` or an OSError becomes one line and its exit code, another exception a line that
        names the plugin. Import what is heavy in here, so that no other command waits for it.
        """
