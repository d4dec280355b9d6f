"""Pickles of APScheduler, read so that nothing in them runs.

A pickle is a program: it names callables and calls them. Here `find_class` gives it none but the types of `datetime`,
time zones by their names, and stand-ins. A stand-in remembers of which class it is and what it was given, whatever
that is, and does nothing. So a job of a class that isn't installed is read as well, and a job that was made to do harm
is only a stand-in with a bad name.

What doesn't fit: a store whose pickles were made by another serializer (`cloudpickle`, or a subclass of the store).
"""

import io
import pickle
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from rae_auto.model.primitives.zones import zone

MAX_PICKLE_BYTES = 1 << 20


class StandIn:
    """An object of a class that is not built: its name, its arguments, its state and its items."""

    class_name = ""

    def __new__(cls, *arguments: Any, **named: Any) -> "StandIn":
        """Return an object that remembers what it is made of."""
        made = object.__new__(cls)
        made.arguments, made.named, made.state, made.items = arguments, named, {}, []
        return made

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments: tuple[Any, ...]
        self.named: dict[str, Any]
        self.state: Mapping[str, Any]
        self.items: list[Any]

    def __setstate__(self, state: Any) -> None:
        # Objects with slots have a pair of dictionaries; of 3.0 as well.
        given = state[1] if isinstance(state, tuple) and len(state) == 2 else state
        self.state = given if isinstance(given, Mapping) else {"state": given}

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, item: Any) -> None:
        """Remember an item, as of a list."""
        self.items.append(item)

    add = append

    def extend(self, items: Any) -> None:
        """Remember items, as of a list."""
        self.items += items

    def __call__(self, *arguments: Any, **named: Any) -> "StandIn":
        """Return another one, in place of a result."""
        return type(self)(*arguments, **named)


def _stand_in_of(module: str, name: str) -> type[StandIn]:
    return type(name.rpartition(".")[2] or "StandIn", (StandIn,), {"class_name": f"{module}.{name}"})


class _ZoneClass:
    """`zoneinfo.ZoneInfo` in a pickle, of which only the way back from its name is asked for."""


def _zone_of(*arguments: Any) -> tzinfo:
    """Return the zone that pickles of zoneinfo and pytz name. Raises UnpicklingError for one that is unknown."""
    try:
        return zone(str(arguments[0])) if arguments else UTC
    except (ValueError, KeyError, OSError) as error:
        raise pickle.UnpicklingError(f"unknown time zone: {error}") from None


def _fixed_offset(minutes: Any) -> tzinfo:
    return timezone(timedelta(minutes=int(minutes)))


def _get_attribute(owner: Any, name: Any) -> Callable[..., Any]:
    if owner is _ZoneClass and name == "_unpickle":
        return _zone_of
    return _stand_in_of("getattr", str(name))


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("datetime", "datetime"): datetime,
    ("datetime", "date"): date,
    ("datetime", "time"): time,
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
    ("builtins", "getattr"): _get_attribute,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("zoneinfo", "ZoneInfo"): _ZoneClass,
    ("zoneinfo", "ZoneInfo._unpickle"): _zone_of,
    ("pytz", "_p"): _zone_of,
    ("pytz", "_UTC"): _zone_of,
    ("pytz", "_FixedOffset"): _fixed_offset,
}


class _StandInUnpickler(pickle.Unpickler):
    """An unpickler that builds stand-ins of all but a few plain types."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the type that a pickle may have in place of what it names."""
        return _KNOWN.get((module, name)) or _stand_in_of(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to outside of the pickle."""
        raise pickle.UnpicklingError(f"it refers to {pid!r:.50}, which is outside of it")


def read_pickle(content: bytes) -> Any:
    """Return what a pickle holds, with stand-ins for objects. Raises ValueError for what is none."""
    if len(content) > MAX_PICKLE_BYTES:
        raise ValueError(f"it has {len(content) >> 20} MB")
    try:
        return _StandInUnpickler(io.BytesIO(content)).load()
    # A damaged pickle raises nearly anything.
    except Exception as error:
        raise ValueError(f"its pickle can't be read: {error}"[:200]) from None


def find_unsayable(value: Any, depth: int = 0) -> str | None:
    """Return the part of a value that a configuration can't express, or None."""
    match value:
        case None:
            return "None"
        case bool() | int() | float() | str():
            return None
        case list() | tuple() if depth < 10:
            return next(filter(None, (find_unsayable(item, depth + 1) for item in value[:1000])), None)
        case dict() if depth < 10:
            names = [key for key in value if not isinstance(key, str)]
            inside = (find_unsayable(item, depth + 1) for item in list(value.values())[:1000])
            return f"the key {names[0]!r:.40}" if names else next(filter(None, inside), None)
        case StandIn():
            return f"an object of {value.class_name}"
    return f"a value of the type {type(value).__name__}"
