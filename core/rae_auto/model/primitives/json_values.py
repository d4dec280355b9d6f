"""JSON values: what a document may hold, whether it was read from a file or came from a program."""

import math
from datetime import date, datetime, time
from typing import Any

from rae_auto.model.primitives.problems import Findings, Key, invalid

DEEPEST = 32
"""How many levels of lists and tables a document may have."""

_INTEGERS = range(-(1 << 63), 1 << 63)


def plain(document: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Return a document of JSON values: dates become ISO 8601 text, other values a problem and null."""
    return _plain(document, (), findings) or {}


def _plain(value: Any, key: Key, findings: Findings) -> Any:
    with findings.within(*key):
        if len(key) > DEEPEST:
            raise invalid(f"is nested too deep; {DEEPEST} levels are allowed")
        if isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                raise invalid("has a name that is no text")
            return {name: _plain(item, (*key, name), findings) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [_plain(item, (*key, index), findings) for index, item in enumerate(value)]
        return _scalar(value)
    return None


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid(f"{value} is no number that can be used; write a finite one")
    if isinstance(value, int) and value not in _INTEGERS:
        raise invalid("is a number that is too long; numbers have 64 bits")
    if isinstance(value, str) and "\0" in value:
        raise invalid("holds a NUL character; remove it")
    if not isinstance(value, str | int | float | None):
        raise invalid(f"is of the type {type(value).__name__}; write text, numbers, true and false, lists or tables")
    return value
