"""Converters and validators that options of many plugins share."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import field, frozen
from attrs.converters import optional

from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.validators import absolute_path, at_least, longer_than_nothing, time_of_day, zone_name


@frozen(kw_only=True)
class Options:
    """As a plugin has them."""

    for_: timedelta | None = field(
        default=None, converter=optional(parse_duration), validator=at_least(timedelta(seconds=2))
    )
    timeout: timedelta | None = field(
        default=None,
        converter=optional(parse_duration),
        validator=longer_than_nothing(timedelta(seconds=9), "take a job"),
    )
    within: timedelta | None = field(default=None, converter=optional(parse_duration), validator=longer_than_nothing())


@pytest.mark.parametrize(
    "options", [{}, {"for_": "2s"}, {"for_": "1y"}, {"timeout": "1ms"}, {"timeout": "9s"}, {"within": "1y"}]
)
def test_durations_within_their_bounds_are_taken(options: Any) -> None:
    assert Options(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"for_": "1s"}, "'for' must be at least 2s"),
        ({"timeout": 0}, "'timeout' must be more than 0s and at most 9s; take a job"),
        ({"timeout": "9.1s"}, "'timeout' must be more than 0s and at most 9s; take a job"),
        ({"within": 0}, "'within' must be more than 0s"),
    ],
)
def test_others_are_refused_by_name(options: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Options(**options)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("written", "time"), [("6:00", "06:00"), ("22:30:15", "22:30:15"), ("24:00", "00:00"), ("06:00:00", "06:00")]
)
def test_times_of_the_day_have_one_spelling(written: str, time: str) -> None:
    assert time_of_day(written) == time


@pytest.mark.parametrize("written", ["x", "", 5, None, "a\0b"])
def test_what_is_no_absolute_path_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"must be a path|is relative"):
        absolute_path(written)


def test_a_home_is_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert absolute_path("~/x") == "/home/anna/x"


def test_a_zone_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert (zone_name(None), zone_name("local"), zone_name("UTC")) == (None, "Asia/Tokyo", "UTC")
    with pytest.raises(ValueError, match="unknown time zone"):
        zone_name("Europe/Atlantis")
