"""Zones by name; rule 30a of the cron rules: whatever names no zone is one clear ValueError."""

import contextlib
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives import zones
from rae_auto.model.primitives.zones import local_zone_name, zone


def test_zone_returns_the_zone_of_a_name():
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    assert zone("Europe/Berlin") is zone("Europe/Berlin")


@pytest.mark.parametrize(
    "name",
    [
        *("Nowhere/City", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/", "", ".", "a\0b", "\ud800"),
        *("Europe/Berlin\n", "Europe//Berlin", "zone.tab", "tzdata.zi", "Europe/__init__.py", "CET-1CEST", "LOCAL"),
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


class TestLocalZone:
    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch, tmp_path) -> Path:
        monkeypatch.delenv("TZ", raising=False)
        monkeypatch.setattr(zones, "_LOCALTIME", tmp_path / "localtime")
        monkeypatch.setattr(zones, "_TIMEZONE", tmp_path / "timezone")
        return tmp_path

    @pytest.mark.parametrize(
        ("variable", "name"),
        [
            ("Asia/Tokyo", "Asia/Tokyo"),
            (":Asia/Tokyo", "Asia/Tokyo"),
            ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
            ("", "UTC"),
        ],
    )
    def test_is_that_of_the_variable(self, monkeypatch, variable, name):
        monkeypatch.setenv("TZ", variable)
        assert local_zone_name() == name
        assert zone("local").key == name

    def test_is_that_of_the_link(self, machine):
        (machine / "localtime").symlink_to("/var/db/timezone/zoneinfo/America/Argentina/Ushuaia")
        (machine / "timezone").write_text("Europe/Rome\n")
        assert local_zone_name() == "America/Argentina/Ushuaia"

    def test_is_that_of_the_file_without_a_link(self, machine):
        (machine / "localtime").write_bytes(b"TZif")
        (machine / "timezone").write_text("Europe/Rome\n")
        assert local_zone_name() == "Europe/Rome"

    def test_is_that_of_the_file_if_the_link_leads_elsewhere(self, machine):
        (machine / "localtime").symlink_to("/somewhere/else")
        (machine / "timezone").write_text("Europe/Rome\n")
        assert local_zone_name() == "Europe/Rome"

    def test_is_utc_by_default(self):
        assert local_zone_name() == "UTC"

    def test_is_refused_if_the_variable_has_no_iana_name(self, monkeypatch):
        monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        with pytest.raises(ValueError, match='unknown time zone "CET-1CEST'):
            zone("local")
