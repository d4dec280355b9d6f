"""JSON values: the values a document may contain, whether it came from a file or a program."""

import math
from datetime import date, datetime, time
from typing import Any

from rae_auto.model.primitives.problems import Key, ProblemCollector, invalid

MAX_NESTING_LEVELS = 32
"""Maximum number of nested lists and tables in a document."""

_INTEGERS = range(-(1 << 63), 1 << 63)


def plain(document: dict[str, Any], findings: ProblemCollector) -> dict[str, Any]:
    """Return the document with JSON values only: dates become ISO 8601 text, other values a problem and null."""
    return _plain(document, (), findings) or {}


def _plain(value: Any, key: Key, findings: ProblemCollector) -> Any:
    with findings.within(*key):
        if len(key) > MAX_NESTING_LEVELS:
            raise invalid(f"nested too deeply; use at most {MAX_NESTING_LEVELS} levels")
        if isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                raise invalid("a key is not text; use text for keys")
            return {name: _plain(item, (*key, name), findings) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [_plain(item, (*key, index), findings) for index, item in enumerate(value)]
        return _scalar(value)
    return None


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid(f"invalid number {value}; use a finite number")
    if isinstance(value, int) and value not in _INTEGERS:
        raise invalid("number too large; use at most 64 bits")
    if isinstance(value, str) and "\0" in value:
        raise invalid("contains a NUL character; remove it")
    if not isinstance(value, str | int | float | None):
        raise invalid(f"{type(value).__name__} is not a JSON value; use text, numbers, true, false, lists or tables")
    return value
