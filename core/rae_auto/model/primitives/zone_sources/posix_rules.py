"""Time zones as rules in the form of POSIX, which TZ may hold: `CET-1CEST,M3.5.0,M10.5.0/3`, `<+0330>-3:30`.

https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html, "Other Environment Variables". The standard
library reads such rules at the end of zone files (RFC 9636, section 3.3), so a file without anything else is made.
"""

import re
import struct
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
