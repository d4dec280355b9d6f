"""Values as a configuration has them: TOML on one line, for messages about what people wrote there.

What TOML has no notation for is written as `rae.toml` takes it: durations, sizes and paths as text.
Format: TOML 1.0.0, "String", "Inline Table". `tomli_w` writes tables on lines of their own, and only values of TOML.
"""

import json
import re
from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from rae_auto.model.primitives.escaping import shorten_line
from rae_auto.model.primitives.units import Size, format_duration, format_size

_MAX_NUMBER = 10**30
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def format_toml(value: object, limit: int | None = None) -> str:
    """Return a value in the notation of a configuration, shortened to `limit` characters."""
    text = _format(value)
    return text if limit is None else shorten_line(text, limit)


def format_plugin(plugin: Any, limit: int | None = None, *, with_defaults: bool = False) -> str:
    """Return a plugin as a configuration names it: its type, or a table with the options that differ from defaults."""
    options = _options_of(plugin, with_defaults=with_defaults)
    type_ = getattr(plugin, "type", type(plugin).__name__)
    return format_toml({"type": type_, **options} if options else type_, limit)


def _format(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "unset"
        case str() if not isinstance(value, Enum):
            # JSON's escapes are TOML's, which also escapes the one control character above them.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case Enum():
            return _format(value.value if isinstance(value.value, str) else value.name.lower())
        case int():
            return str(value) if abs(value) < _MAX_NUMBER else "a number of that many digits"
        case float():
            return repr(value)
        case timedelta():
            return _format(format_duration(value))
        case datetime() | date() | time():
            return _format(value.isoformat())
        case PurePath() | ZoneInfo():
            return _format(str(value))
        case Mapping():
            return _format_table(value)
        case list() | tuple():
            return f"[{', '.join(map(_format, value))}]"
        case Set():
            return f"[{', '.join(sorted(map(_format, value)))}]"
    return _format_object(value)


def _format_object(value: Any) -> str:
    if isinstance(shown := getattr(value, "shown_text", None), str):
        return _format(shown)  # a secret
    if isinstance(getattr(type(value), "type", None), str) and attrs.has(type(value)):
        return format_plugin(value)
    if attrs.has(type(value)) and not isinstance(value, BaseException):
        return _format_table(_options_of(value))
    return _format(str(value))


def _format_table(table: Mapping[Any, object]) -> str:
    items = ", ".join(f"{_format_key(str(name))} = {_format(item)}" for name, item in table.items())
    return f"{{ {items} }}" if items else "{}"


def _format_key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _format(name)


def _options_of(value: Any, *, with_defaults: bool = False) -> dict[str, object]:
    """Return the fields that differ from their defaults, or all that are set, by their names in a configuration."""
    options: dict[str, object] = {}
    for field in attrs.fields(type(value)):
        found = getattr(value, field.name, None)
        if field.init and field.repr and found is not None and (with_defaults or found != _default_of(field)):
            shown = format_size(found) if field.type is Size and isinstance(found, int) else found
            options[(field.alias or field.name).rstrip("_")] = shown
    return options


def _default_of(field: "attrs.Attribute[Any]") -> object:
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) and not default.takes_self else default  # type: ignore[arg-type]
