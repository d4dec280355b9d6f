"""JSON values: the values a document may contain, whether it came from a file or a program."""

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, NoReturn

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


def _refuse_change(*_: object, **__: object) -> NoReturn:
    raise TypeError("the options of a frozen plugin can't be changed; make a copy")


class FrozenDict(dict[Any, Any]):
    """A table that can't be changed, and is hashable: equal ones have the same hash, as equal to a dict as any.

    It is a dict for JSON, for type checks and for comparisons; `{**table}` and `dict(table)` are copies to change.
    """

    __setitem__ = __delitem__ = update = setdefault = pop = popitem = clear = __ior__ = _refuse_change

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type, tuple[dict[Any, Any]]]:
        return FrozenDict, ({**self},)


class FrozenList(list[Any]):
    """A list that can't be changed, and is hashable. `[*items]` is a copy to change."""

    __setitem__ = __delitem__ = append = extend = insert = remove = pop = clear = sort = reverse = _refuse_change
    __iadd__ = __imul__ = _refuse_change

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type, tuple[list[Any]]]:
        return FrozenList, ([*self],)


def freeze_value(value: Any) -> Any:
    """Return a value in which each list and table can't be changed, and is hashable; others are as they are."""
    if isinstance(value, FrozenDict | FrozenList):
        return value
    if isinstance(value, dict) or (isinstance(value, Mapping) and type(value).__hash__ is None):
        return FrozenDict({key: freeze_value(item) for key, item in value.items()})
    if isinstance(value, list):
        return FrozenList(map(freeze_value, value))
    if type(value) is tuple:
        return tuple(map(freeze_value, value))
    return frozenset(value) if isinstance(value, set) else value
