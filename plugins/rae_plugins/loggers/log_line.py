"""A log line as the log of a platform takes it: with a syslog priority, its job and its run as fields of their own."""

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from loguru import Record

IDENTIFIER = "rae-auto"
"""The name under which the logs of platforms have the lines."""

CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG = 2, 3, 4, 5, 6, 7
"""Priorities of syslog."""

_LOWEST_LEVELS = ((50, CRITICAL), (40, ERROR), (30, WARNING), (25, NOTICE), (20, INFO))
"""The lowest level of loguru that has a priority; anything below these is for debugging."""


@frozen(kw_only=True)
class LogLine:
    """A log line: one line of text, already escaped and without secrets."""

    time: datetime
    priority: int
    text: str
    """The message, after the name of its job."""
    job: str = ""
    run: str = ""
    state: str = ""
    """The state that the run has reached, if the line is about that."""
    pid: int
    file: str = ""
    line: int = 0
    function: str = ""


def make_log_line(record: "Record") -> LogLine:
    """Return what a record of loguru says."""
    job, run, state = (str(record["extra"].get(name) or "") for name in ("job", "run", "state"))
    return LogLine(
        time=record["time"],
        priority=priority_of(record["level"].no),
        text=f"{job}: {record['message']}" if job else record["message"],
        job=job,
        run=run,
        state=state,
        pid=record["process"].id,
        file=record["file"].path,
        line=record["line"],
        function=record["function"],
    )


def priority_of(level: int) -> int:
    """Return the priority of a level of loguru."""
    return next((priority for lowest, priority in _LOWEST_LEVELS if level >= lowest), DEBUG)


def cut_text(text: str, max_bytes: int) -> bytes:
    """Return text as UTF-8, without what is beyond so many bytes; a character is never cut in two."""
    encoded = text.encode("utf-8", "backslashreplace")
    return encoded if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore").encode()
