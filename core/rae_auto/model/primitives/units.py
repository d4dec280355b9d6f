"""Durations ("1h30m") and sizes ("512MB") as people write them.

A bare number is seconds, or bytes. Sizes count in 1,024s, as memory and disk limits do.
"""

import math
import re
from datetime import timedelta
from typing import NewType

from rae_auto.model.primitives.formatting import quote

Size = NewType("Size", int)
"""A number of bytes; as the type of a plugin's option it takes "512MB" too."""

SignedDuration = NewType("SignedDuration", timedelta)
"""A duration that may be negative; as the type of a plugin's option it takes "-6h" too."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_BYTES = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|[smhdwy])")
_UNIT_WORDS = re.compile(
    r"([0-9.]+) *(ms|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?|y(?:ears?)?)\b *"
)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?)(i?)B?", re.IGNORECASE | re.ASCII)
_MAX_DURATION = timedelta(days=36525)


def parse_duration(value: object) -> timedelta:
    """Parse a duration: seconds, or text such as "90s", "1h30m", "2d". Raises ValueError."""
    seconds = _seconds(value)
    if seconds is not None and _MAX_DURATION.total_seconds() < seconds < math.inf:
        raise ValueError(f"duration {_quoted_value(value)} is longer than 100 years; use a shorter one")
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        near = _join_units(value) if isinstance(value, str) else ""
        hint = f"write {quote(near)}" if near else 'use a number and a unit, as in "90s" or "1h30m"'
        raise ValueError(f"invalid duration {_quoted_value(value)}; {hint}")
    return value if isinstance(value, timedelta) else timedelta(seconds=seconds)


def parse_signed_duration(value: object) -> SignedDuration:
    """Parse a duration that may have a sign: "-6h", "30m", "+1d". Raises ValueError."""
    if isinstance(value, str) and value[:1] in "+-" and value:
        duration = parse_duration(value[1:])
        return SignedDuration(-duration if value[0] == "-" else duration)
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        return SignedDuration(-parse_duration(-value))
    if isinstance(value, timedelta) and value < timedelta(0):
        return SignedDuration(-parse_duration(-value))
    return SignedDuration(parse_duration(value))


def _join_units(text: str) -> str:
    """Return `90 days` as `90d`; "" if it can't be read like that."""
    joined = _UNIT_WORDS.sub(lambda match: match[1] + ("ms" if match[2] == "ms" else match[2][0]), text[:60].strip())
    return joined if re.fullmatch(f"(?:{_PART.pattern})+", joined) else ""


def _seconds(value: object) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # A float can't hold an integer of thousands of digits.
        return float(value) if -1e15 < value < 1e15 else None
    if not isinstance(value, str) or not value.isascii() or not re.fullmatch(f"(?:{_PART.pattern})+", value):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))


def format_duration(value: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads as `value`: "1h30m", "90ms", "0s"."""
    micros = value // timedelta(microseconds=1)
    whole, fraction = divmod(micros, 1_000_000)
    parts = []
    for unit in "dhm":
        count, whole = divmod(whole, int(_SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    if fraction and fraction % 1000 == 0 and not whole:
        parts.append(f"{fraction // 1000}ms")
    elif fraction:
        parts.append(f"{whole}.{fraction:06d}".rstrip("0") + "s")
    elif whole or not parts:
        parts.append(f"{whole}s")
    return "".join(parts)


def parse_size(value: object) -> Size:
    """Parse a size in bytes: an integer, or text such as "512MB", "1.5GiB". Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62:
        return Size(value)
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'invalid size {_quoted_value(value)}; use a number and a unit, as in "512MB" or "2GB"')
    return Size(round(float(match[1]) * _BYTES[match[2].upper() + "B"]))


def format_size(value: int) -> str:
    """Return the shortest text that `parse_size` reads as `value`."""
    for unit in ("TB", "GB", "MB", "KB"):
        if value and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return f"{value}B"


def _quoted_value(value: object) -> str:
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of that many digits"
    if isinstance(value, str):
        return quote(value if len(value) <= 60 else value[:60] + "…")
    import json  # lazy: start-up

    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:60] + "…"


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 failure", "2 failures"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
