"""Levels as people write them: a number, a percentage or a size, in one of the units that a metric knows."""

import math
from collections.abc import Sequence
from enum import StrEnum

from attrs import frozen

from rae_auto.model.primitives.units import parse_size


class Unit(StrEnum):
    """What a value counts."""

    PERCENT = "percent"
    BYTES = "bytes"
    RATE = "bytes/s"
    CELSIUS = "celsius"
    NUMBER = "number"


@frozen
class Level:
    """A value and its unit."""

    value: float
    unit: Unit


_WORDS = {
    Unit.PERCENT: 'a percentage such as 90 or "90%"',
    Unit.BYTES: 'a size such as "10GB"',
    Unit.RATE: 'a size for each second such as "10MB"',
    Unit.CELSIUS: "degrees Celsius such as 80",
    Unit.NUMBER: "a number",
}


def parse_level(value: object, units: Sequence[Unit]) -> Level:
    """The level that somebody wrote; a bare number is in the first of the units. ValueError says what is accepted."""
    found = _number(value, units) if isinstance(value, int | float) else _text(value, units)
    if found is None:
        accepted = " or ".join(_WORDS[unit] for unit in units)
        raise ValueError(f"must be {accepted}, not {shown(value)}")
    return found


def _number(value: float, units: Sequence[Unit]) -> Level | None:
    # A float can't hold an integer of thousands of digits.
    if isinstance(value, bool) or not -1e18 < value < 1e18 or not math.isfinite(value):
        return None
    return Level(value, units[0])


def _text(value: object, units: Sequence[Unit]) -> Level | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    if value.endswith("%"):
        return _percentage(value[:-1]) if Unit.PERCENT in units else None
    unit = next((unit for unit in units if unit in (Unit.BYTES, Unit.RATE)), None)
    # As text, a number without a unit could mean anything.
    if unit is None or not value.strip()[-1:].isalpha():
        return None
    try:
        return Level(parse_size(value), unit)
    except ValueError:
        return None


def _percentage(text: str) -> Level | None:
    whole, _, fraction = text.strip().partition(".")
    if not text.isascii() or not whole.isdecimal() or not (fraction or "0").isdecimal():
        return None
    return Level(float(text), Unit.PERCENT)


def shown(value: object) -> str:
    """A value as it may stand in a message: quoted, escaped, short."""
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of that size"
    text = ascii(value)
    return text if len(text) <= 60 else text[:60] + "…"
