"""The native logger: log lines to where the platform keeps those of its services."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Logger
from rae_auto.hookspecs import hookimpl
from rae_plugins.loggers import platform_logs
from rae_plugins.loggers.console import ConsoleLogger
from rae_plugins.loggers.file import FileLogger
from rae_plugins.loggers.line_formats import LogLevel

_JOURNAL_VARIABLES = ("INVOCATION_ID", "JOURNAL_STREAM")
"""Variables that systemd sets for what it starts."""


@frozen(kw_only=True)
class NativeLogger(Logger):
    """Writes to the platform's own log: the journal, syslog, the Event Log or the unified log of macOS.

    Without any of these to the console, or to a file if standard error isn't a terminal.
    """

    type: ClassVar[str] = "native"

    level: LogLevel = field(default="INFO", metadata={"help": "lowest level that is written"})
    output: bool = field(default=False, metadata={"help": "also write what jobs print, line by line, as it comes"})

    def choose(self) -> Logger:
        """Return the logger of this platform."""
        found = (_CHOICES[name]() for name in platform_logs.native_logs())
        make = next(filter(None, found), _fallback())
        return make(level=self.level, output=self.output)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return those of this platform's logger."""
        return self.choose().problems(directory)

    def shows_output(self) -> bool:
        """Return whether what jobs print is written too."""
        return self.output

    def place(self) -> str | None:
        """Return where the lines of this platform's logger are to be found."""
        return self.choose().place()

    def log_file(self, directory: Path) -> Path | None:
        """Return the file of this platform's logger, if it has one."""
        return self.choose().log_file(directory)

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the handler of this platform's logger."""
        return self.choose().handler(directory)


def _choose_journal() -> Callable[..., Logger] | None:
    """Return the journal if systemd has started this process."""
    if not any(os.environ.get(name) for name in _JOURNAL_VARIABLES):
        return None
    from rae_plugins.loggers.journald import DEFAULT_SOCKET, JournaldLogger  # lazy: memory

    return JournaldLogger if Path(DEFAULT_SOCKET).exists() else None


def _choose_event_log() -> Callable[..., Logger] | None:
    from rae_plugins.loggers.eventlog import EventLogLogger  # lazy: memory

    return EventLogLogger if EventLogLogger.available() is None else None


def _choose_unified_log() -> Callable[..., Logger] | None:
    from rae_plugins.loggers.oslog import OsLogLogger  # lazy: memory

    return OsLogLogger


def _choose_syslog() -> Callable[..., Logger] | None:
    from rae_plugins.loggers.syslog import SyslogLogger  # lazy: memory

    return SyslogLogger if Path(platform_logs.local_socket()).is_socket() else None


_CHOICES: Mapping[str, Callable[[], Callable[..., Logger] | None]] = {
    "journald": _choose_journal,
    "eventlog": _choose_event_log,
    "oslog": _choose_unified_log,
    "syslog": _choose_syslog,
}


def _fallback() -> Callable[..., Logger]:
    return ConsoleLogger if sys.stderr is not None and sys.stderr.isatty() else FileLogger


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """Return the native logger."""
    return [NativeLogger]
