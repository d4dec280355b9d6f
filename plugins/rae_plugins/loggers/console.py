"""The console logger: log lines on standard error."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Logger
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.terminals import can_color
from rae_plugins.loggers.line_formats import LineFormat, LogLevel, format_json, format_text

if TYPE_CHECKING:
    from loguru import Message


@frozen(kw_only=True)
class ConsoleLogger(Logger):
    """Writes to standard error, in color on a terminal and plain in a pipe."""

    type: ClassVar[str] = "console"

    level: LogLevel = field(default="INFO", metadata={"help": "lowest level that is shown"})
    format: LineFormat = field(default="text", metadata={"help": "text for people, or JSON objects for programs"})
    output: bool = field(default=False, metadata={"help": "also show what jobs print, line by line, as it comes"})

    def shows_output(self) -> bool:
        """Return whether what jobs print is shown too."""
        return self.output

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the handler that prints to standard error."""
        color = can_color(sys.stderr)

        def write(message: "Message") -> None:
            record = message.record
            line = format_json(record) if self.format == "json" else format_text(record, color=color)
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - this logger prints

        return {"sink": write, "level": self.level, "format": "{message}"}


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """Return the console logger."""
    return [ConsoleLogger]
