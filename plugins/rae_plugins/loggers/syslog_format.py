"""Log lines as syslog daemons read them: the local form of RFC 3164 on this machine, RFC 5424 over a network.

Not the standard library's `SysLogHandler`: it blocks on a daemon that was stopped, frames no messages over TCP, and
knows no structured data. RFC 5424 on the local socket, on the other hand, is understood neither by rsyslog nor by
syslog-ng, unless their configuration says so.
"""

import re
from datetime import UTC

from rae_auto.api import LogLine
from rae_plugins.loggers.log_line import IDENTIFIER, cut_text

MAX_TEXT_BYTES = 7 << 10
"""Bytes of a message; daemons cut whole ones at 8 kB."""

FACILITIES = {"user": 1, "daemon": 3, "cron": 9, **{f"local{number}": 16 + number for number in range(8)}}

_DATA_ID = "rae@32473"
"""Name of the structured data. RFC 5612 has set the number aside for those who have none of their own."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def encode_local(entry: LogLine, facility: int) -> bytes:
    """Return an entry as `<30>Nov  8 06:05:04 rae-auto[12]: backup: started`, in local time."""
    at = entry.time.astimezone()
    time = f"{_MONTHS[at.month - 1]} {at.day:>2} {at:%H:%M:%S}"
    head = f"<{8 * facility + entry.priority}>{time} {IDENTIFIER}[{entry.pid}]: "
    return head.encode() + cut_text(entry.text, MAX_TEXT_BYTES)


def encode_rfc5424(entry: LogLine, facility: int, host: str) -> bytes:
    """Return an entry with its job, run and state as structured data."""
    time = entry.time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    facts = (("job", entry.job), ("run", entry.run), ("state", entry.state))
    parameters = "".join(f' {name}="{_escape_value(value)}"' for name, value in facts if value)
    head = (
        f"<{8 * facility + entry.priority}>1 {time} {_header_field(host, 255)} {IDENTIFIER} {entry.pid} "
        f"{_header_field(entry.state, 32)} {f'[{_DATA_ID}{parameters}]' if parameters else '-'} "
    )
    return head.encode("utf-8", "backslashreplace") + cut_text(entry.text, MAX_TEXT_BYTES)


def frame_by_octets(message: bytes) -> bytes:
    """Return a message behind its length, as RFC 6587 says, so that nothing in it ends it."""
    return b"%d %b" % (len(message), message)


def _header_field(text: str, max_characters: int) -> str:
    return re.sub(r"[^!-~]", "", text)[:max_characters] or "-"


def _escape_value(value: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", value)
