"""Converters and validators that options of many plugins share."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rae_auto.model.primitives.units import format_duration
from rae_auto.model.primitives.zones import zone

_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?", re.ASCII)

Validator = Callable[[object, Any, Any], None]


def zone_name(value: str | None) -> str | None:
    """Convert the name of a time zone to its canonical one; None stays."""
    return None if value is None else zone(value).key


def time_of_day(value: object) -> str:
    """Convert a time of day to a spelling that `time.fromisoformat` reads: 06:00, 22:30:15."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None or (numbers := [int(part or 0) for part in found.groups()]) > [24, 0, 0] or max(numbers[1:]) > 59:
        raise ValueError(f'{value!r:.60} is no time of the day; write hours and minutes, such as "22:00"')
    numbers[0] %= 24
    return ":".join(f"{number:02}" for number in (numbers if numbers[2] else numbers[:2]))


def absolute_path(value: object) -> str:
    """Convert a path that begins with / or ~ to one that begins with /. It stays text; no file is touched."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be a path, not {value!r:.60}")
    path = os.path.expanduser(value)  # noqa: PTH111 - text in, text out
    if not os.path.isabs(path):  # noqa: PTH117 - as above
        raise ValueError(f"{value!r:.60} is relative; write a path that begins with / or ~")
    return path


def at_least(least: timedelta) -> Validator:
    """Refuses a shorter duration; None may be."""

    def validate(_: object, attribute: Any, value: timedelta | None) -> None:
        if value is not None and value < least:
            raise ValueError(f"'{attribute.name.rstrip('_')}' must be at least {format_duration(least)}")

    return validate


def longer_than_nothing(most: timedelta | None = None, remedy: str = "") -> Validator:
    """Refuses no time at all, and more than `most`; None may be."""
    limit = "" if most is None else f" and at most {format_duration(most)}"
    words = f"must be more than 0s{limit}{remedy and f'; {remedy}'}"

    def validate(_: object, attribute: Any, value: timedelta | None) -> None:
        if value is not None and not timedelta(0) < value <= (most or value):
            raise ValueError(f"'{attribute.name.rstrip('_')}' {words}")

    return validate
