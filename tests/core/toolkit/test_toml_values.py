"""Values in the notation of a configuration: what can be written there is read back, and nothing is in Python's."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives.units import Size
from rae_auto.toolkit.secrets import Secret
from rae_auto.toolkit.toml_values import format_plugin, format_toml

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


MEGABYTE = Size(1 << 20)


class Kind(Enum):
    """Two kinds."""

    SOFT = "soft"
    LOUD = 2


@frozen
class Inner:
    """A plugin within another."""

    type = "inner"
    every: timedelta = timedelta(minutes=90)


@frozen
class Outer:
    """A plugin with options of many types."""

    type = "outer"
    path: Path | None = None
    kind: Kind = Kind.SOFT
    size: Size = MEGABYTE
    inner: Inner = field(factory=Inner)
    token: Secret | None = None
    hidden: str = field(default="x", repr=False)
    from_: Mapping[str, Any] = field(factory=dict)


@given(PLAIN)
def test_value_is_read_back(value: object) -> None:
    assert tomllib.loads(f"x = {format_toml(value)}")["x"] == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (timedelta(hours=1, minutes=30), '"1h30m"'),
        (datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01T00:00:00+00:00"'),
        ((date(2026, 1, 1), time(9)), '["2026-01-01", "09:00:00"]'),
        (Path("/in"), '"/in"'),
        ({Kind.LOUD, Kind.SOFT}, '["loud", "soft"]'),
        ({"a b": None, "c": ()}, '{ "a b" = unset, c = [] }'),
        (10**40, "a number of that many digits"),
    ],
)
def test_what_toml_has_no_notation_for_is_a_text(value: object, text: str) -> None:
    assert format_toml(value) == text


def test_plugin_is_a_table_with_the_options_that_differ() -> None:
    assert format_plugin(Outer()) == '"outer"'
    inner, token = Inner(timedelta(seconds=5)), Secret("${env:X}")
    plugin = Outer(Path("/in"), Kind.LOUD, Size(3 << 20), inner, token, "y", {"a": 1})
    options = 'path = "/in", kind = "loud", size = "3MB", inner = { type = "inner", every = "5s" }'
    assert format_plugin(plugin) == f'{{ type = "outer", {options}, token = "${{env:X}}", from = {{ a = 1 }} }}'


def test_plugin_is_shown_with_its_defaults() -> None:
    text = 'kind = "soft", size = "1MB", inner = "inner", from = {}'
    assert format_plugin(Outer(), with_defaults=True) == f'{{ type = "outer", {text} }}'


def test_long_value_is_shortened() -> None:
    assert format_toml("x" * 100, 10) == f'"{"x" * 8}…'
