"""Formats of log lines: text for people, JSON for programs. The daemon masks and escapes records first."""

import json
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from loguru import Record

LineFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_COLORS = {"ERROR": "\x1b[31m", "WARNING": "\x1b[33m", "CRITICAL": "\x1b[31m"}
_RESET = "\x1b[0m"


def format_text(record: "Record", *, color: bool = False) -> str:
    """Return a line like `2026-01-31 18:00:00 INFO    backup: started`, with the zone where it isn't the machine's."""
    job = record["extra"].get("job")
    subject = f"{job}: " if job else ""
    at = record["time"]
    is_foreign = at.utcoffset() != at.astimezone().utcoffset()
    time = at.strftime("%Y-%m-%d %H:%M:%S %Z" if is_foreign else "%Y-%m-%d %H:%M:%S")
    level = record["level"].name
    line = f"{time} {level:<7} {subject}{record['message']}"
    start = _COLORS.get(level) if color else None
    return f"{start}{line}{_RESET}" if start else line


def format_json(record: "Record") -> str:
    """Return a JSON object: time (ISO 8601 with offset), level, message, and what else is bound to it, as a job."""
    line = {"time": record["time"].isoformat(), "level": record["level"].name, "message": record["message"]}
    return json.dumps({**line, **record["extra"]}, ensure_ascii=False)
