"""Conversion of plain values to scalars: texts, numbers, times, paths and secrets, without coercion."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.problems import describe_value, invalid
from rae_auto.model.primitives.units import SignedDuration, Size, parse_duration, parse_signed_duration, parse_size
from rae_auto.toolkit.secrets import Secret, SecretText


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    example = f'; write "{value}"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
    raise invalid(f"must be text, not {describe_value(value)}{example}")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise invalid(f"must be true or false, not {describe_value(value)}")


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise invalid(f"must be a whole number, not {describe_value(value)}")


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise invalid(f"must be a number, not {describe_value(value)}")


def _duration(value: object) -> timedelta:
    return parse_duration(value)


def _signed_duration(value: object) -> timedelta:
    return parse_signed_duration(value)


def _size(value: object) -> int:
    return parse_size(value)


def _instant(value: object) -> datetime:
    return parse_instant(_text(value))


def _path(value: object) -> Path:
    return Path(_text(value))


def _secret(value: object) -> Secret:
    return Secret(_text_of_secret(value))


def _secret_text(value: object) -> SecretText:
    return SecretText(_text_of_secret(value))


def _text_of_secret(value: object) -> str:
    """Return a text, or raise Invalid without repeating what may be the secret."""
    if isinstance(value, str):
        return value
    raise invalid(f"must be text, not {type(value).__name__}; write ${{file:PATH}} or another reference in quotes")


SCALARS: Mapping[Any, Callable[[object], Any]] = {
    str: _text,
    bool: _flag,
    int: _integer,
    float: _number,
    timedelta: _duration,
    SignedDuration: _signed_duration,
    Size: _size,
    datetime: _instant,
    Path: _path,
    Secret: _secret,
    SecretText: _secret_text,
}


SCALAR_NAMES: Mapping[Any, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
