"""The file logger: log lines in a file that is rotated."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from attrs import field, frozen

from rae_auto.api import Logger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import Size, parse_duration, parse_size
from rae_auto.toolkit.files import is_folder, is_there
from rae_plugins.loggers.line_formats import LineFormat, LogLevel, format_json, format_text
from rae_plugins.loggers.rotating_file import RotatingFile

if TYPE_CHECKING:
    from loguru import Record

DEFAULT_NAME = "rae-auto.log"


@frozen(kw_only=True)
class FileLogger(Logger):
    """Writes to a file that only its owner can read; full files are renamed, old ones deleted."""

    type: ClassVar[str] = "file"

    path: str | None = field(
        default=None, metadata={"help": "path; by default rae-auto.log in the state directory", "is_path": True}
    )
    level: LogLevel = field(default="INFO", metadata={"help": "lowest level that is written"})
    format: LineFormat = field(default="text", metadata={"help": "text for people, or JSON objects for programs"})
    output: bool = field(default=False, metadata={"help": "also write what jobs print, line by line, as it comes"})
    rotation: Size = field(
        default=Size(10 << 20), converter=parse_size, metadata={"help": "size at which a new file is started"}
    )
    retention: timedelta = field(
        default=timedelta(days=30),
        converter=parse_duration,
        metadata={"help": "age at which old files are deleted"},
    )

    def log_file(self, directory: Path) -> Path:
        """Return the path of the current file."""
        return Path(self.path).expanduser() if self.path else directory / DEFAULT_NAME

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why the file can't be written."""
        path = self.log_file(directory)
        if is_folder(path):
            return (f"{path} is a directory; write the path of a file",)
        if is_there(path) and not os.access(path, os.W_OK):
            return (f"{path} can't be written; change its permissions, or the path",)
        above = next(folder for folder in path.absolute().parents if is_there(folder))
        if not is_folder(above):
            return (f"{above} is not a directory, so {path.name} can't be in it; change the path",)
        if not os.access(above, os.W_OK | os.X_OK):
            return (f"{path} can't be created in {above}; change the permissions of {above}, or the path",)
        return ()

    def shows_output(self) -> bool:
        """Return whether what jobs print is written too."""
        return self.output

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the handler that writes to the file."""

        def format_line(record: "Record") -> str:
            text = format_json(record) if self.format == "json" else format_text(record)
            # Under a key of its own, because loggers share the record; returned directly, it would be a template.
            cast("dict[str, Any]", record)["file_line"] = text
            return "{file_line}\n"

        return {
            "sink": RotatingFile(self.log_file(directory), self.rotation, self.retention),
            "level": self.level,
            "format": format_line,
        }


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """Return the file logger."""
    return [FileLogger]
