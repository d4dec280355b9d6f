"""Levels as written in the configuration: a number, a percentage or a size, in a unit of the metric."""

import math
from collections.abc import Sequence
from enum import StrEnum

from attrs import frozen

from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.formatting import join_words
from rae_auto.model.primitives.units import parse_size
from rae_auto.toolkit.toml_values import format_toml


class Unit(StrEnum):
    """The units of values."""

    PERCENT = "percent"
    BYTES = "bytes"
    RATE = "bytes/s"
    CELSIUS = "celsius"
    NUMBER = "number"


@frozen
class Level:
    """A value with its unit."""

    value: float
    unit: Unit


_ACCEPTED = {
    Unit.PERCENT: 'a percentage such as 90 or "90%"',
    Unit.BYTES: 'a size such as "10GB"',
    Unit.RATE: 'a size per second such as "10MB"',
    Unit.CELSIUS: "degrees Celsius such as 80",
    Unit.NUMBER: "a number",
}


def parse_level(value: object, units: Sequence[Unit]) -> Level:
    """Return the level; a bare number is in the first of the units. Errors: ValueError."""
    level = _parse_number(value, units) if isinstance(value, int | float) else _parse_text(value, units)
    if level is None:
        accepted = join_words((_ACCEPTED[unit] for unit in units), "or")
        raise ValueError(f"must be {accepted}, not {quote_value(value)}")
    return level


def _parse_number(value: float, units: Sequence[Unit]) -> Level | None:
    # An integer of thousands of digits does not fit into a float.
    if isinstance(value, bool) or not -1e18 < value < 1e18 or not math.isfinite(value):
        return None
    return Level(value, units[0])


def _parse_text(value: object, units: Sequence[Unit]) -> Level | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    if value.endswith("%"):
        return _parse_percentage(value[:-1]) if Unit.PERCENT in units else None
    unit = next((unit for unit in units if unit in (Unit.BYTES, Unit.RATE)), None)
    # A text without a unit is ambiguous.
    if unit is None or not value.strip()[-1:].isalpha():
        return None
    try:
        return Level(parse_size(value), unit)
    except ValueError:
        return None


def _parse_percentage(text: str) -> Level | None:
    whole, _, fraction = text.strip().partition(".")
    if not text.isascii() or not whole.isdecimal() or not (fraction or "0").isdecimal():
        return None
    return Level(float(text), Unit.PERCENT)


def quote_value(value: object) -> str:
    """Return a value for a message: quoted, escaped and short."""
    return quote_short(value, 60) if isinstance(value, str) else format_toml(value, 60)
