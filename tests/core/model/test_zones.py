"""Zones by name; rule 30a of the cron rules: whatever names no zone is one clear ValueError."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives.zones import zone


def test_zone_returns_the_zone_of_a_name():
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    assert zone("Europe/Berlin") is zone("Europe/Berlin")


@pytest.mark.parametrize(
    "name",
    [
        *("Nowhere/City", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/", "", ".", "a\0b", "\ud800"),
        *("Europe/Berlin\n", "Europe//Berlin", "zone.tab", "tzdata.zi", "Europe/__init__.py", "LOCAL"),
        "x" * 5000,
    ],
)
def test_unknown_zone_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match='unknown time zone "') as caught:
        zone(name)
    message = str(caught.value)
    assert type(caught.value) is ValueError
    assert len(message) < 200
    assert message.isprintable()


@given(st.text(max_size=300))
def test_zone_of_any_text_is_a_zone_or_value_error(text):
    with contextlib.suppress(ValueError):
        assert zone(text).utcoffset(datetime(2024, 1, 1)) is not None


@pytest.mark.parametrize("wrong", ["europe/berlin", "Europe/Berln", "Berlin"])
def test_misspelled_zone_gets_a_suggestion(wrong):
    with pytest.raises(ValueError, match='did you mean "Europe/Berlin"'):
        zone(wrong)


@pytest.mark.parametrize(
    ("rule", "offset", "name"),
    [("CET-1CEST,M3.5.0,M10.5.0/3", 2, "CEST"), ("<+0330>-3:30", 3.5, "+0330"), ("JST-9", 9, "JST")],
)
def test_zone_of_a_posix_rule_follows_it(rule, offset, name):
    found = zone(rule)
    summer = datetime(2026, 7, 1, tzinfo=found)
    assert (summer.utcoffset(), summer.tzname(), found.key) == (timedelta(hours=offset), name, rule)


@pytest.mark.parametrize(
    ("rule", "meaning", "instead"),
    [
        ("CET+1", "UTC-01:00", '"Etc/GMT+1" for UTC-01:00, or "Etc/GMT-1" for UTC+01:00'),
        ("UTC+2", "UTC-02:00", '"Etc/GMT+2" for UTC-02:00, or "Etc/GMT-2" for UTC+02:00'),
        ("UTC-2", "UTC+02:00", '"Etc/GMT-2" for UTC+02:00, or "Etc/GMT+2" for UTC-02:00'),
        ("JST+9", "UTC-09:00", '"Etc/GMT+9" for UTC-09:00, or "Etc/GMT-9" for UTC+09:00'),
        ("IST+5:30", "UTC-05:30", '"<-0530>+05:30" for UTC-05:30, or "<+0530>-05:30" for UTC+05:30'),
    ],
)
def test_posix_rule_with_an_ambiguous_sign_is_refused(rule, meaning, instead, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    with pytest.raises(ValueError, match="time zone") as caught:
        zone(rule)
    text = f'time zone "{rule}" means {meaning} as a rule of POSIX, where + is west; write {instead}'
    assert str(caught.value) == text
    now = datetime(2026, 1, 1, tzinfo=UTC)
    shown = [now.astimezone(zone(name)).isoformat()[-6:] for name in re.findall(r'"([^"]+)" for', text)]
    assert shown == re.findall(r"for UTC(\S{6})", text)


def test_posix_rule_with_summer_time_and_an_ambiguous_sign_is_refused():
    with pytest.raises(ValueError, match="means UTC-01:00 as a rule of POSIX, where \\+ is west; use an IANA name"):
        zone("CET+1CEST,M3.5.0,M10.5.0/3")


@pytest.mark.parametrize("rule", ["EST5", "EST+5", "EST5EDT,M3.2.0,M11.1.0", "UTC0", "<-03>+3", "BRT3", "Etc/GMT+1"])
def test_posix_rule_that_is_plain_is_taken(rule):
    assert zone(rule).key == rule


def test_posix_rule_of_the_machine_is_believed(monkeypatch):
    monkeypatch.setenv("TZ", "WET+4")
    assert zone("local").key == "WET+4"
    assert zone("WET+4").utcoffset(datetime(2026, 1, 1)) == timedelta(hours=-4)


@pytest.mark.parametrize("rule", ["CET-1CEST,M3.9.0,M10.5.0/3", "CET-1CEST,M3.5.0", "XXX-99"])
def test_bad_posix_rule_is_refused_in_one_line(rule):
    with pytest.raises(ValueError, match="value out of range") as caught:
        zone(rule)
    assert str(caught.value).isprintable()
