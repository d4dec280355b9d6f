"""Log lines in a file that is rotated."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from attrs import field, frozen

from rae_auto.api import Logger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import Size, parse_duration, parse_size
from rae_auto.toolkit.files import open_private
from rae_plugins.loggers.lines import Format, json_line, text_line

if TYPE_CHECKING:
    from loguru import Record

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


@frozen(kw_only=True)
class FileLogger(Logger):
    """Writes to a file of the owner's alone; full ones are set aside, old ones removed."""

    type: ClassVar[str] = "file"

    path: str | None = field(default=None, metadata={"help": "the file; rae-auto.log in the state directory if absent"})
    level: Level = field(default="INFO", metadata={"help": "the least level that is written"})
    format: Format = field(default="text", metadata={"help": "lines for people, or JSON objects for programs"})
    rotation: Size = field(
        default=Size(10 << 20), converter=parse_size, metadata={"help": "the size at which a new file is begun"}
    )
    retention: timedelta = field(
        default=timedelta(days=30), converter=parse_duration, metadata={"help": "how long old files are kept"}
    )

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Lines to the file, through loguru's own rotation and retention."""
        path = Path(self.path).expanduser() if self.path else directory / "rae-auto.log"

        def line(record: "Record") -> str:
            text = json_line(record) if self.format == "json" else text_line(record)
            # Beside what other loggers read of the record, which they share; the text itself is no template.
            cast("dict[str, Any]", record)["file_line"] = text
            return "{file_line}\n"

        return {
            "sink": path,
            "level": self.level,
            "format": line,
            "rotation": self.rotation,
            "retention": self.retention,
            "encoding": "utf-8",
            "opener": lambda name, flags: open_private(Path(name), flags),
            "delay": True,
        }


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """The file logger."""
    return [FileLogger]
