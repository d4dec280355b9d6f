"""Log lines on the terminal."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attrs import field, frozen

from rae_auto.api import Logger
from rae_auto.hookspecs import hookimpl
from rae_plugins.loggers.lines import Format, json_line, text_line

if TYPE_CHECKING:
    from loguru import Message

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


@frozen(kw_only=True)
class ConsoleLogger(Logger):
    """Writes to standard error: readable lines on a terminal, plain ones in a pipe."""

    type: ClassVar[str] = "console"

    level: Level = field(default="INFO", metadata={"help": "the least level that is shown"})
    format: Format = field(default="text", metadata={"help": "lines for people, or JSON objects for programs"})

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Lines to standard error."""
        colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ

        def write(message: "Message") -> None:
            record = message.record
            line = json_line(record) if self.format == "json" else text_line(record, colour=colour)
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - printing is what it is for

        return {"sink": write, "level": self.level, "format": "{message}"}


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """The console logger."""
    return [ConsoleLogger]
