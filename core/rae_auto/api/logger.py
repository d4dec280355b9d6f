"""The contract of loggers: where log lines go."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.api.plugin import Plugin

_LOWEST_LEVELS = ((50, 2), (40, 3), (30, 4), (25, 5), (20, 6))
"""The syslog priority of each level of loguru, by the lowest level that has it; below them it is 7 (debug)."""


@frozen(kw_only=True)
class LogLine:
    """A log line as a sink gets it: `LogLine.from_record(message.record)`. Its texts are escaped and without secrets.

    `time` is aware, in the zone of the log; `level` a word such as "INFO". `job` and `run` are those that the line is
    about, "" for none. `state` is the state that the run has reached, such as "succeeded", if the line is about that.
    `is_output` is True for a line that a job printed, which only a logger with `shows_output` gets. The rest is where
    the daemon wrote the line.
    """

    time: datetime
    level: str = "INFO"
    level_number: int = 20
    message: str
    job: str = ""
    run: str = ""
    state: str = ""
    is_output: bool = False
    pid: int
    file: str = ""
    line: int = 0
    function: str = ""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "LogLine":
        """Return the line of a record of loguru."""
        extra = record["extra"]
        job, run, state = (str(extra.get(name) or "") for name in ("job", "run", "state"))
        return cls(
            time=record["time"],
            level=record["level"].name,
            level_number=record["level"].no,
            message=record["message"],
            job=job,
            run=run,
            state=state,
            is_output="output" in extra,
            pid=record["process"].id,
            file=record["file"].path,
            line=record["line"],
            function=record["function"],
        )

    @property
    def text(self) -> str:
        """The message after the name of its job: "backup: started"."""
        return f"{self.job}: {self.message}" if self.job else self.message

    @property
    def priority(self) -> int:
        """The priority of syslog, from 2 (critical) to 7 (debug)."""
        return next((priority for lowest, priority in _LOWEST_LEVELS if self.level_number >= lowest), 7)


class Logger(Plugin):
    """Somewhere for log lines to go, by way of loguru."""

    @abstractmethod
    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the arguments of loguru's `logger.add`: `sink`, `level`, `format` and so on.

        `directory` is the state directory. The core adds what keeps secrets and itself safe
        (`diagnose=False`, `backtrace=False`, `catch=True`), and messages are one escaped line each.

        A sink that is a function or can be called has a thread of its own, so it may block. For what the system refuses
        it raises OSError with a number and a text, which is shown as a problem; all else it raises counts as a mistake
        of the plugin. Its method `close`, if it has one, is called at the end. It gets a message of loguru, of which
        `LogLine.from_record(message.record)` has the job, the run and all else.
        """

    def log_file(self, directory: Path) -> Path | None:
        """Return the file to which this logger appends lines, which `rae-auto logs` shows; None if it has none."""
        return None

    def place(self) -> str | None:
        """Return where people find the lines, in a few words, for the first lines of the daemon; None if it is plain.

        A command that shows them stands in single quotes, as in `'journalctl -t rae-auto'`.
        """
        return None

    def shows_output(self) -> bool:
        """Return whether this logger also wants what jobs print, line by line, as lines with `is_output`."""
        return False
