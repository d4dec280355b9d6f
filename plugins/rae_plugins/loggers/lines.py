"""How built-in loggers write a line: for people, or as JSON for programs."""

import json
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from loguru import Record

Format = Literal["text", "json"]

_COLOURS = {"ERROR": "\x1b[31m", "WARNING": "\x1b[33m", "CRITICAL": "\x1b[31m"}
_PLAIN = "\x1b[0m"


def text_line(record: "Record", *, colour: bool = False) -> str:
    """`2026-01-31 18:00:00 INFO    backup: started`, in local time."""
    job = record["extra"].get("job")
    about = f"{job}: " if job else ""
    stamp = record["time"].strftime("%Y-%m-%d %H:%M:%S")
    level = record["level"].name
    line = f"{stamp} {level:<8}{about}{record['message']}"
    before = _COLOURS.get(level) if colour else None
    return f"{before}{line}{_PLAIN}" if before else line


def json_line(record: "Record") -> str:
    """One JSON object: time (ISO 8601 with offset), level, message, and what the line is about."""
    line = {"time": record["time"].isoformat(), "level": record["level"].name, "message": record["message"]}
    return json.dumps({**line, **record["extra"]}, ensure_ascii=False)
