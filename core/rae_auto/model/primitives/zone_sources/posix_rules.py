"""Time zones as rules in the form of POSIX, which TZ may hold: `CET-1CEST,M3.5.0,M10.5.0/3`, `<+0330>-3:30`.

https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html, "Other Environment Variables". The standard
library reads such rules at the end of zone files (RFC 9636, section 3.3), so a file without anything else is made.
"""

import re
import struct
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

MAX_RULE_CHARACTERS = 100

_NAME = r"(?:<[A-Za-z0-9+-]{3,}>|[A-Za-z]{3,})"
_OFFSET = r"[+-]?\d{1,2}(?::\d\d(?::\d\d)?)?"
_RULE = re.compile(rf"(?P<standard>{_NAME})(?P<offset>{_OFFSET})(?P<summer>{_NAME}(?:{_OFFSET})?)?(?P<dates>,.+)?")


def is_posix_rule(text: str) -> bool:
    """Return whether a text has the form of such a rule; it may still have wrong values."""
    return len(text) <= MAX_RULE_CHARACTERS and text.isascii() and _RULE.fullmatch(text) is not None


def make_posix_zone(rule: str) -> ZoneInfo:
    """Return the zone of a rule, with the rule as its key. Errors: ValueError, with what is wrong."""
    found = _RULE.fullmatch(rule)
    if found is None:
        raise ValueError("is not a rule of POSIX")
    if found["summer"] and not found["dates"]:
        raise ValueError(f'does not say when summer time begins and ends; add that, as in "{rule},M3.5.0,M10.5.0/3"')
    # A header with one type and no transitions, twice: for the old and the new format of the same file.
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lbb", 0, 0, 0) + b"LMT\0"
    content = header + body + header + body + b"\n" + rule.encode() + b"\n"
    try:
        zone = ZoneInfo.from_file(BytesIO(content), key=rule)
    except ValueError:
        raise ValueError("has a value out of range, such as a month, a week or a day") from None
    return zone


def describe_ambiguity(rule: str, zone: ZoneInfo) -> str | None:
    """Return why a rule hardly means what its writer meant, and what to write instead; None if it is plain.

    The sign of POSIX is the reverse of all others: "UTC+2" is two hours behind UTC. That is ambiguous
    where the name is that of a zone with another offset, and for a name that is unknown with a "+". A name in angle
    brackets was written for POSIX on purpose.
    """
    found = _RULE.fullmatch(rule)
    if found is None or found["standard"].startswith("<"):
        return None
    winter = datetime(2026, 1, 1, tzinfo=UTC)
    offset = winter.astimezone(zone).utcoffset() or timedelta()
    try:
        usual = winter.astimezone(ZoneInfo(found["standard"])).utcoffset()
    except (KeyError, OSError, ValueError):
        usual = -offset if found["offset"].startswith("+") else offset
    if usual == offset:
        return None
    what = f"means UTC{_clock(offset)} as a rule of POSIX, where + is west"
    if found["summer"]:
        return f'{what}; use an IANA name, as in "Europe/Berlin"'
    hints = [f'"{_make_plain(one)}" for UTC{_clock(one)}' for one in (offset, -offset)]
    return f"{what}; write {', or '.join(hints)}"


def _clock(offset: timedelta, digits: str = ":") -> str:
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}{digits}{minutes % 60:02}"


def _make_plain(offset: timedelta) -> str:
    """Return a text that stands for an offset and nothing else: an IANA name for whole hours, or else a rule."""
    hours = offset / timedelta(hours=1)
    if hours.is_integer() and -12 <= hours <= 14:
        return f"Etc/GMT{-int(hours):+}"
    return f"<{_clock(offset, '')}>{_clock(-offset)}"
