"""The oslog logger: log lines in the unified log of macOS, by pyoslog or by the command logger."""

import errno
import os
import subprocess
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Logger, LogLine
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.environment import inherited_environment
from rae_plugins.loggers.line_formats import LogLevel
from rae_plugins.loggers.log_line import CRITICAL, ERROR, IDENTIFIER, INFO, WARNING, cut_text
from rae_plugins.loggers.platform_logs import find_log_obstacle
from rae_plugins.loggers.syslog_format import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from loguru import Message

LOGGER_TIMEOUT_SECONDS = 5.0

_PRIORITY_NAMES = {CRITICAL: "crit", ERROR: "err", WARNING: "warning", INFO: "info"}


@frozen(kw_only=True)
class OsLogLogger(Logger):
    """Writes to the unified log of macOS, which Console and the command `log` show."""

    type: ClassVar[str] = "oslog"

    level: LogLevel = field(default="INFO", metadata={"help": "lowest level that is written"})
    output: bool = field(default=False, metadata={"help": "also write what jobs print, line by line, as it comes"})

    @classmethod
    def available(cls) -> str | None:
        """Return why there can be no unified log here."""
        return find_log_obstacle("oslog")

    def shows_output(self) -> bool:
        """Return whether what jobs print is written too."""
        return self.output

    def place(self) -> str:
        """Return the command that shows the lines."""
        if _has_pyoslog():
            return f'\'log show --info --predicate "subsystem == \\"{IDENTIFIER}\\""\''
        return f'\'log show --info --predicate "eventMessage CONTAINS \\"{IDENTIFIER}\\""\''

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the handler that writes to the unified log."""
        write = _pyoslog_writer() if _has_pyoslog() else _write_by_command

        def sink(message: "Message") -> None:
            write(LogLine.from_record(message.record))

        return {"sink": sink, "level": self.level, "format": "{message}"}


def _has_pyoslog() -> bool:
    return find_spec("pyoslog") is not None


def _pyoslog_writer() -> Callable[[LogLine], None]:
    import pyoslog

    log = pyoslog.os_log_create(IDENTIFIER, "daemon")

    def write(entry: LogLine) -> None:
        if entry.priority <= CRITICAL:
            kind = pyoslog.OS_LOG_TYPE_FAULT
        elif entry.priority <= WARNING:
            kind = pyoslog.OS_LOG_TYPE_ERROR
        elif entry.priority <= INFO:
            # Not INFO: that is kept in memory alone.
            kind = pyoslog.OS_LOG_TYPE_DEFAULT
        else:
            kind = pyoslog.OS_LOG_TYPE_DEBUG
        pyoslog.os_log_with_type(log, kind, entry.text)

    return write


def _write_by_command(entry: LogLine) -> None:
    """Write by the command `logger`, on its standard input, so that the line doesn't show in the list of processes.

    Raises OSError if it was not written.
    """
    priority = f"daemon.{_PRIORITY_NAMES.get(entry.priority, 'debug' if entry.priority > INFO else 'notice')}"
    try:
        subprocess.run(
            ["logger", "-t", IDENTIFIER, "-p", priority],
            input=cut_text(entry.text, MAX_TEXT_BYTES) + b"\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=inherited_environment(os.environ),
            timeout=LOGGER_TIMEOUT_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise OSError(errno.EIO, f"the command 'logger' ended with code {error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise OSError(errno.ETIMEDOUT, f"the command 'logger' took over {LOGGER_TIMEOUT_SECONDS:g} s") from None


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """Return the oslog logger."""
    return [OsLogLogger]
