"""Summaries of plugins: a few words in one line, for lists and for `why`."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from rae_auto.model.primitives.units import format_duration

MAX_SUMMARY_LENGTH = 80

_WHERE = frozenset({"timezone"})
"""Options that every list shows in a place of their own."""


def summarize(*words: object) -> str:
    """Return the words as one line of at most 80 characters; None and empty values are dropped.

    Lists are joined by commas, durations written as "1h30m", and triggers by their own type.
    """
    text = " ".join(" ".join(filter(None, map(_word, words))).split())
    return text if len(text) <= MAX_SUMMARY_LENGTH else f"{text[: MAX_SUMMARY_LENGTH - 1]}…"


def named(name: str, value: object) -> str:
    """Return an option with its name, or "" if it has no value: "below 5%"."""
    word = _word(value)
    return f"{name} {word}" if word else ""


def summarize_options(plugin: Any) -> str:
    """Return the type of a plugin, and its options that differ from their defaults: "load below 2".

    Fields with `repr=False`, values that are secrets, and values that no few words can say are dropped.
    """
    type_: str = plugin.type
    return summarize(type_, *_option_words(plugin)) if attrs.has(type(plugin)) else type_


def _option_words(plugin: Any) -> Iterator[str]:
    for field in attrs.fields(type(plugin)):
        name = (field.alias or field.name).rstrip("_")
        value = getattr(plugin, field.name, None)
        if not field.init or field.repr is False or name in _WHERE or not _is_plain(value) or _is_default(field, value):
            continue
        word = name.replace("_", " ")
        if isinstance(value, bool):
            yield word if value else f"no {word}"
        elif name == plugin.type:
            # The words of a command, or the path of a guard on paths: the type says what it is.
            yield " ".join(map(str, value)) if isinstance(value, tuple | list) else _word(value)
        else:
            yield named(word, value)


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | float | timedelta | datetime | Path | Enum) or isinstance(
        getattr(value, "type", None), str
    )


def _is_default(field: "attrs.Attribute[Any]", value: object) -> bool:
    default = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return not value
    if default is attrs.NOTHING or value == default:
        return default is not attrs.NOTHING
    if field.converter is None or isinstance(field.converter, attrs.Converter):
        return False
    try:
        return bool(value == field.converter(default))
    except Exception:
        return False


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return f"-{format_duration(-value)}" if value < timedelta(0) else format_duration(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str | Path) and isinstance(kind := getattr(value, "type", None), str):
        return kind
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return ", ".join(map(_word, value))
    return str(value)
