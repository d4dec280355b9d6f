"""The eventlog logger: log lines in the Event Log of Windows, by pywin32."""

import errno
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Logger, LogLine
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.formatting import describe_error
from rae_auto.toolkit.extras import install_command
from rae_plugins.loggers.line_formats import LogLevel
from rae_plugins.loggers.log_line import ERROR, IDENTIFIER, WARNING
from rae_plugins.loggers.platform_logs import find_log_obstacle

if TYPE_CHECKING:
    from loguru import Message

EVENT_ID = 1
"""The message of pywin32's own message file that is nothing but the first text of an event."""

MAX_TEXT_CHARACTERS = 31_000
"""Longest text of an event; Windows refuses those above 31,839."""


@frozen(kw_only=True)
class EventLogLogger(Logger):
    """Writes to the Event Log of Windows, below Application, with the source rae-auto."""

    type: ClassVar[str] = "eventlog"

    level: LogLevel = field(default="INFO", metadata={"help": "lowest level that is written"})
    output: bool = field(default=False, metadata={"help": "also write what jobs print, line by line, as it comes"})

    @classmethod
    def available(cls) -> str | None:
        """Return why there can be no Event Log here."""
        if obstacle := find_log_obstacle("eventlog"):
            return obstacle
        if find_spec("win32evtlog") is None:
            return f"needs pywin32; run '{install_command('windows')}'"
        return None

    def shows_output(self) -> bool:
        """Return whether what jobs print is written too."""
        return self.output

    def place(self) -> str:
        """Return where the lines are to be found."""
        return f"the Event Log, below Application, source {IDENTIFIER}"

    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the handler that reports events."""
        return {"sink": EventLogSink(), "level": self.level, "format": "{message}"}


class EventLogSink:
    """Reports each line as an event; its texts are the line, the job, the run and the state."""

    def __init__(self) -> None:
        """Create a sink; the Event Log is opened at the first line, and again after a failure."""
        import win32evtlog  # lazy: only on Windows, and not always there

        self._api: Any = win32evtlog
        self._source: Any = None

    def __call__(self, message: "Message") -> None:
        """Report a line. Raises OSError if Windows refuses it."""
        entry = LogLine.from_record(message.record)
        if entry.priority <= ERROR:
            kind = self._api.EVENTLOG_ERROR_TYPE
        elif entry.priority == WARNING:
            kind = self._api.EVENTLOG_WARNING_TYPE
        else:
            kind = self._api.EVENTLOG_INFORMATION_TYPE
        texts = [entry.text[:MAX_TEXT_CHARACTERS], entry.job, entry.run, entry.state]
        try:
            if self._source is None:
                self._source = _open_source(self._api)
            self._api.ReportEvent(self._source, kind, 0, EVENT_ID, None, texts, None)
        except Exception as error:  # pywin32 has an exception of its own, with the text in `strerror`
            self.close()
            raise OSError(errno.EIO, getattr(error, "strerror", None) or describe_error(error)) from error

    def close(self) -> None:
        """Close the Event Log."""
        source, self._source = self._source, None
        if source is not None:
            with suppress(Exception):  # pywin32's own exception; there is nothing left to do
                self._api.DeregisterEventSource(source)


def _open_source(api: Any) -> Any:
    import win32evtlogutil  # lazy: as above

    # Only an administrator may enter the source in the registry, once; without it the viewer says that it knows no
    # description of the event, and shows the texts all the same.
    with suppress(Exception):  # pywin32 has an exception of its own
        win32evtlogutil.AddSourceToRegistry(IDENTIFIER, api.__file__, "Application")
    return api.RegisterEventSource(None, IDENTIFIER)


@hookimpl
def rae_loggers() -> list[type[Logger]]:
    """Return the eventlog logger."""
    return [EventLogLogger]
