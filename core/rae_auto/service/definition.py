"""A service, and the protocol of platform adapters: files to write, and commands to run.

An adapter is pure: it returns paths, texts and command lines, and touches nothing. `manager` writes and runs them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from attrs import evolve, field, frozen

from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import quote

DEFAULT_NAME = "rae-auto"

Argv = tuple[str, ...]
"""A command line."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MARK = "Written by 'rae-auto service install', removed by 'rae-auto service uninstall': "
_MARK_PATTERN = re.compile(re.escape(_MARK) + r"(\{.*\})")


@frozen
class Origin:
    """The mark in an installed file: its configuration, its state directory, and if lingering came with it.

    `state` is None if only the user who runs the service knows it.
    """

    config: Path
    state: Path | None
    has_linger: bool = False

    def mark(self) -> str:
        """Return the text of a comment that makes a file ours. It holds no "--", which ends comments of XML."""
        record = {
            "config": str(self.config),
            "state": None if self.state is None else str(self.state),
            "linger": self.has_linger,
        }
        return _MARK + json.dumps(record).replace("--", "-\\u002d")


def read_origin(text: str) -> Origin | None:
    """Return the origin in the mark of a file, or None if the file isn't ours."""
    found = _MARK_PATTERN.search(text)
    try:
        record = json.loads(found[1]) if found else {}
        state = record["state"]
        return Origin(Path(record["config"]), None if state is None else Path(state), bool(record["linger"]))
    except (ValueError, KeyError, TypeError):
        return None


def check_name(name: str) -> str:
    """Return the name of a service if it can be one. Errors: SchedulerError."""
    if not _NAME.fullmatch(name):
        raise SchedulerError(
            f"--name: {quote(name[:64])} can't name a service; use letters, digits, dots, dashes and underscores"
        )
    return name


@frozen(kw_only=True)
class ServiceDefinition:
    """A daemon as a service: the command line that runs it, its environment, and how long its stop may take.

    `user` is who runs it; only a service of the system has one, and None is root there.
    """

    name: str
    command: Argv
    origin: Origin
    environment: Mapping[str, str] = field(factory=dict)
    stop_seconds: int
    is_system: bool = False
    user: str | None = None

    def with_linger(self) -> "ServiceDefinition":
        """Return the service with the note that its installation turned lingering on."""
        return evolve(self, origin=evolve(self.origin, has_linger=True))


@frozen
class UnitFile:
    """A file that makes a service known to its platform."""

    path: Path
    text: str
    encoding: str = "utf-8"


@frozen(kw_only=True)
class ServiceCommands:
    """The platform's command lines for a service; an empty one where it has none."""

    install: tuple[Argv, ...]
    uninstall: tuple[Argv, ...]
    start: tuple[Argv, ...]
    stop: tuple[Argv, ...] = ()
    is_enabled: Argv = ()
    is_active: Argv = ()
    logs: Argv = ()
    """Shows what the platform kept of the service's log; more arguments may follow."""


class ServicePlatform(Protocol):
    """The adapter of a platform; modules have this shape."""

    TITLE: str

    def unit_directory(self, is_system: bool) -> Path:
        """Return where files of services are."""

    def unit_path(self, name: str, is_system: bool) -> Path:
        """Return the path of a service's file."""

    def unit_files(self, service: ServiceDefinition) -> tuple[UnitFile, ...]:
        """Return the files of a service. Errors: SchedulerError if they can't express it."""

    def read_program(self, text: str) -> str | None:
        """Return the program that the text of a service's file starts; None if it names none."""

    def commands(self, name: str, is_system: bool) -> ServiceCommands:
        """Return the command lines for a service."""
