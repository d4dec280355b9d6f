"""Converters and validators for common options: time zones, times of day, paths, durations, patterns."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.toml_values import format_toml

_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?", re.ASCII)

Validator = Callable[[object, Any, Any], None]


def zone_name(value: str | None) -> str | None:
    """Convert a time zone to its IANA name, "local" to the machine's; None stays None. Raises ValueError."""
    return None if value is None else zone(value).key


def time_of_day(value: object) -> str:
    """Convert a time of day to the form that `time.fromisoformat` parses: 06:00, 22:30:15. Raises ValueError."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None or (numbers := [int(part or 0) for part in match.groups()]) > [24, 0, 0] or max(numbers[1:]) > 59:
        raise ValueError(f'invalid time of day {_quoted_value(value)}; use hours and minutes, as in "22:00"')
    numbers[0] %= 24
    return ":".join(f"{number:02}" for number in (numbers if numbers[2] else numbers[:2]))


def absolute_path(value: object) -> str:
    """Convert a path that begins with / or ~ to an absolute one, as text. Raises ValueError; touches no file."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"invalid path {_quoted_value(value)}; write the path of a file or folder, as text")
    path = os.path.expanduser(value)  # noqa: PTH111 - text in, text out
    if not os.path.isabs(path):  # noqa: PTH117 - as above
        raise ValueError(
            f"relative path {_quoted_value(value)}; write the whole path, because there is no folder to start from"
        )
    return path


def at_least(minimum: timedelta) -> Validator:
    """Return a validator that refuses durations shorter than `minimum`; None is valid."""

    def validate(_: object, attribute: Any, value: timedelta | None) -> None:
        if value is not None and value < minimum:
            raise ValueError(f"'{attribute.name.rstrip('_')}' must be at least {format_duration(minimum)}")

    return validate


def positive_duration(maximum: timedelta | None = None, hint: str = "") -> Validator:
    """Return a validator that refuses durations of zero and those longer than `maximum`; None is valid.

    `hint` is added to the message.
    """
    limit = "" if maximum is None else f" and at most {format_duration(maximum)}"
    problem = f"must be more than 0s{limit}{hint and f'; {hint}'}"

    def validate(_: object, attribute: Any, value: timedelta | None) -> None:
        if value is not None and not timedelta(0) < value <= (maximum or value):
            raise ValueError(f"'{attribute.name.rstrip('_')}' {problem}")

    return validate


def _quoted_value(value: object) -> str:
    return quote(value[:60]) if isinstance(value, str) else format_toml(value, 60)


_PATTERN_PROBLEMS = {
    "missing ), unterminated subpattern": "a ( has no )",
    "unbalanced parenthesis": "a ) has no (",
    "unterminated character set": "a [ has no ]",
    "nothing to repeat": "there is nothing to repeat",
    "multiple repeat": "two repetitions follow each other",
    "bad escape (end of pattern)": "it ends with a backslash",
    "unexpected end of pattern": "it ends too early",
}
"""The commonest messages of Python's module `re`, which are in the words of its parser."""


def describe_pattern_error(error: Exception) -> str:
    """Return what keeps a text from being a regular expression, as a clause: "a ( has no ), at character 3"."""
    if not isinstance(error, re.error):
        return "it is too complicated"
    words = _PATTERN_PROBLEMS.get(error.msg, error.msg)
    return words if error.pos is None else f"{words}, at character {error.pos + 1}"
