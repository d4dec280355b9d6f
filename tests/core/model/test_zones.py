"""Zones by name; rule 30a of the cron rules: whatever names no zone is one clear ValueError."""

import contextlib
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives import zones
from rae_auto.model.primitives.zones import local_zone_name, zone


def test_a_name_gives_its_zone():
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
def test_what_names_no_zone_is_one_clear_line(name):
    with pytest.raises(ValueError, match='unknown time zone "') as caught:
        zone(name)
    message = str(caught.value)
    assert type(caught.value) is ValueError
    assert len(message) < 200
    assert message.isprintable()


@given(st.text(max_size=300))
def test_any_text_is_a_zone_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert zone(text).utcoffset(datetime(2024, 1, 1)) is not None


@pytest.mark.parametrize("wrong", ["europe/berlin", "Europe/Berln", "Berlin"])
def test_a_near_miss_gets_a_suggestion(wrong):
    with pytest.raises(ValueError, match='did you mean "Europe/Berlin"'):
        zone(wrong)


class TestTheLocalZone:
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
    def test_is_what_the_variable_says(self, monkeypatch, variable, name):
        monkeypatch.setenv("TZ", variable)
        assert local_zone_name() == name
        assert zone("local").key == name

    def test_is_where_the_link_points(self, machine):
        (machine / "localtime").symlink_to("/var/db/timezone/zoneinfo/America/Argentina/Ushuaia")
        (machine / "timezone").write_text("Europe/Rome\n")
        assert local_zone_name() == "America/Argentina/Ushuaia"

    def test_is_what_the_file_says_where_there_is_no_such_link(self, machine):
        (machine / "localtime").write_bytes(b"TZif")
        (machine / "timezone").write_text("Europe/Rome\n")
        assert local_zone_name() == "Europe/Rome"

    def test_is_what_the_file_says_where_the_link_leads_elsewhere(self, machine):
        (machine / "localtime").symlink_to("/somewhere/else")
        (machine / "timezone").write_text("Europe/Rome\n")
        assert local_zone_name() == "Europe/Rome"

    def test_is_utc_where_nothing_tells(self):
        assert local_zone_name() == "UTC"

    def test_is_refused_where_the_variable_is_no_iana_name(self, monkeypatch):
        monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        with pytest.raises(ValueError, match='unknown time zone "CET-1CEST'):
            zone("local")
