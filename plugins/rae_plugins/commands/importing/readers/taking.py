"""Values that are taken out of a source one by one, so that the rest can be named in a remark."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from rae_auto.model.primitives.units import format_duration

MAX_SHOWN_CHARACTERS = 60
_SECRET = re.compile(r"passw|token|secret|dsn", re.IGNORECASE)
_TRUE = ("1", "yes", "true", "on", "y", "t")


class Taking:
    """A table of a source. `take` removes what it returns; `remarks` gets what can't be said here."""

    def __init__(self, table: Mapping[str, Any], remarks: list[str]) -> None:
        self._table = dict(table)
        self.remarks = remarks

    def take(self, key: str, default: Any = None) -> Any:
        """Return a value and forget it; the default where it is missing or empty."""
        value = self._table.pop(key, default)
        return default if value in ("", None) else value

    def put(self, key: str, value: Any) -> None:
        """Put a value back, to be taken again."""
        self._table[key] = value

    def take_text(self, key: str) -> str | None:
        """Return a text; a list or a table in its place is a remark."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return str(value)
        self.remarks.append(f"{key} should be a text, so it is left out: {shorten(value)}")
        return None

    def take_flag(self, key: str, *, default: bool) -> bool:
        """Return a boolean."""
        value = self.take(key, default)
        return value if isinstance(value, bool) else str(value).lower() in _TRUE

    def take_table(self, key: str) -> "Taking":
        """Return a table, empty where there is none."""
        value = self.take(key, {})
        if isinstance(value, dict):
            return Taking(value, self.remarks)
        self.remarks.append(f"{key} should be a table, so it is left out: {shorten(value)}")
        return Taking({}, self.remarks)

    def take_list(self, key: str) -> list[Any]:
        """Return a list; a single value is one of one item."""
        value = self.take(key, [])
        return list(value) if isinstance(value, list | tuple) else [value]

    def take_number(self, key: str) -> float | None:
        """Return a number; a text in its place is a remark."""
        value = self.take(key)
        try:
            return None if value is None else float(value)
        except (TypeError, ValueError):
            self.remarks.append(f"{key} should be a number, so it is left out: {shorten(value)}")
            return None

    def take_seconds(self, key: str) -> str | None:
        """Return a number of seconds as a duration; None where it is missing, zero or less."""
        seconds = self.take_number(key)
        return format_seconds(seconds) if seconds is not None and seconds > 0 else None

    def forget(self, keys: Collection[str]) -> None:
        """Forget keys without a meaning here."""
        for key in keys:
            self._table.pop(key, None)

    def rest(self) -> Iterator[str]:
        """Yield what nothing has taken, as `key=value`."""
        for key, value in self._table.items():
            if value not in ("", None):
                yield f"{key}=(not shown)" if _SECRET.search(f"{key} {value}") else f"{key}={shorten(value)}"

    def remark_rest(self, where: str = "") -> None:
        """Add a remark with all that nothing has taken."""
        if rest := list(self.rest()):
            self.remarks.append(f"{where}has no equivalent: {', '.join(rest)}")


def format_seconds(seconds: float) -> str:
    """Return seconds as a duration; days as hours, which those of the calendar are not."""
    if seconds >= 86400 and seconds % 3600 == 0:
        return f"{int(seconds // 3600)}h"
    return format_duration(timedelta(seconds=round(seconds, 3)))


def shorten(value: Any) -> str:
    """Return a value as a short text on one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
