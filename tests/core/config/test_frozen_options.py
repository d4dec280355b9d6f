"""Lists and tables as options of frozen plugins, durations with a sign, and the zone that is filled in."""

import copy
import json
import pickle
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import field, frozen

from rae_auto.api import ScheduleTrigger, Trigger
from rae_auto.api.plugin import Kind
from rae_auto.config.options import build
from rae_auto.model.primitives.json_values import FrozenDict, FrozenList
from rae_auto.model.primitives.problems import Invalid
from rae_auto.model.primitives.units import SignedDuration
from rae_auto.registry import Registry

NO_OFFSET = SignedDuration(timedelta(0))


@frozen(kw_only=True)
class Varied(ScheduleTrigger):
    """Has options of many shapes."""

    type = "varied"

    names: list[str] = field(factory=list)
    hours: tuple[int, ...] = ()
    headers: dict[str, str] = field(factory=dict)
    tables: Mapping[str, list[int]] = field(factory=dict)
    anything: Any = None
    offset: SignedDuration = NO_OFFSET
    timezone: str | None = None
    inner: Trigger | None = None

    def next_after(self, instant: datetime) -> datetime | None:
        return instant + self.offset if self.offset > timedelta(0) else None


class Source:
    """A source of the one plugin."""

    def names(self, kind: Kind) -> tuple[str, ...]:
        return ("varied",)

    def get(self, kind: Kind, name: str) -> type[Varied]:
        return Varied


def varied(**options: object) -> Varied:
    return build(Varied, options, timezone="Europe/Berlin", plugins=Source())


OPTIONS = {
    "names": ["a", "b"],
    "hours": [1, 2],
    "headers": {"X": "1", "Y": "2"},
    "tables": {"one": [1, 2]},
    "anything": {"deep": [{"er": [1]}]},
}


def test_lists_and_tables_of_frozen_plugins_have_hashes() -> None:
    one, other = varied(**OPTIONS), varied(**{**OPTIONS, "headers": {"Y": "2", "X": "1"}})
    assert one == other and hash(one) == hash(other) and len({one, other, varied()}) == 2


def test_frozen_values_are_what_their_types_say() -> None:
    made = varied(**OPTIONS)
    assert isinstance(made.names, list) and isinstance(made.headers, dict)
    assert [*made.names, "c"] == ["a", "b", "c"] and {**made.headers, "Z": "3"}["Z"] == "3"
    assert json.loads(json.dumps([made.names, made.tables, made.anything])) == [
        ["a", "b"],
        {"one": [1, 2]},
        {"deep": [{"er": [1]}]},
    ]
    assert pickle.loads(pickle.dumps(made.headers)) == copy.deepcopy(made.headers) == {"X": "1", "Y": "2"}


@pytest.mark.parametrize(
    "change",
    [
        lambda: FrozenDict({"a": 1}).update({"b": 2}),
        lambda: FrozenDict({"a": 1}).pop("a"),
        lambda: FrozenDict({"a": 1}).__setitem__("a", 2),
        lambda: FrozenList([1]).append(2),
        lambda: FrozenList([1]).sort(),
        lambda: FrozenList([1]).__iadd__([2]),
    ],
)
def test_change_of_a_frozen_option_is_refused(change: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="make a copy"):
        change()


@pytest.mark.parametrize(
    ("written", "seconds"), [("-30m", -1800), ("1h30m", 5400), ("+1s", 1), (-90, -90), (0, 0), ("-0s", 0)]
)
def test_duration_with_a_sign_is_taken(written: object, seconds: int) -> None:
    assert varied(offset=written).offset == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["--1m", "-", "- 1m", True, "half"])
def test_duration_with_a_wrong_sign_is_refused(written: object) -> None:
    with pytest.raises(Invalid, match="invalid duration"):
        varied(offset=written)


def test_zone_is_filled_in_before_the_plugin_is_made() -> None:
    assert varied().timezone == "Europe/Berlin"
    assert varied(timezone="UTC").timezone == "UTC"
    inner = varied(inner={"type": "varied"}).inner
    assert isinstance(inner, Varied) and inner.timezone == "Europe/Berlin"


def test_summary_by_default_names_what_differs_from_the_defaults() -> None:
    made = varied(names=["a", "b"], offset="-30m", headers={"X": "secret"}, timezone="UTC")
    assert made.summary() == made.describe() == "varied names a, b offset -30m"
    assert len(varied(names=["x" * 200]).summary()) == 80


def test_summary_names_no_option_that_is_called_like_the_type() -> None:
    registry = Registry()
    guard = registry.get(Kind.GUARD, "command")
    made = build(guard, {"command": ["test", "-e", "/mnt"]}, timezone="UTC", plugins=registry)
    assert made.summary() == "command test -e /mnt"
