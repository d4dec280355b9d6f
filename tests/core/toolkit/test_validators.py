"""Converters and validators of common options."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import field, frozen
from attrs.converters import optional

from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.validators import absolute_path, at_least, positive_duration, time_of_day, zone_name


@frozen(kw_only=True)
class Options:
    """Options of a plugin."""

    for_: timedelta | None = field(
        default=None, converter=optional(parse_duration), validator=at_least(timedelta(seconds=2))
    )
    timeout: timedelta | None = field(
        default=None,
        converter=optional(parse_duration),
        validator=positive_duration(timedelta(seconds=9), "take a job"),
    )
    within: timedelta | None = field(default=None, converter=optional(parse_duration), validator=positive_duration())


@pytest.mark.parametrize(
    "options", [{}, {"for_": "2s"}, {"for_": "1y"}, {"timeout": "1ms"}, {"timeout": "9s"}, {"within": "1y"}]
)
def test_durations_within_bounds_are_valid(options: Any) -> None:
    assert Options(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"for_": "1s"}, "'for' must be at least 2s"),
        ({"timeout": 0}, "'timeout' must be more than 0s and at most 9s; take a job"),
        ({"timeout": "9.1s"}, "'timeout' must be more than 0s and at most 9s; take a job"),
        ({"within": 0}, "'within' must be more than 0s"),
    ],
)
def test_durations_out_of_bounds_are_refused_by_name(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Options(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("written", "time"), [("6:00", "06:00"), ("22:30:15", "22:30:15"), ("24:00", "00:00"), ("06:00:00", "06:00")]
)
def test_time_of_day_returns_one_form(written: str, time: str) -> None:
    assert time_of_day(written) == time


@pytest.mark.parametrize("written", ["x", "", 5, None, "a\0b"])
def test_absolute_path_refuses_other_values(written: object) -> None:
    with pytest.raises(ValueError, match=r"invalid path|relative path"):
        absolute_path(written)


def test_absolute_path_expands_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert absolute_path("~/x") == "/home/anna/x"


def test_zone_name_returns_the_iana_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert (zone_name(None), zone_name("local"), zone_name("UTC")) == (None, "Asia/Tokyo", "UTC")
    with pytest.raises(ValueError, match="unknown time zone"):
        zone_name("Europe/Atlantis")
