"""Times on a terminal: one zone in all commands, the configured one, marked where the machine's clock differs."""

import re
import time
from datetime import UTC, datetime
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest

from rae_auto.cli.options import read_time
from rae_auto.views.times import local_time

NOW = datetime(2026, 11, 28, 11, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def machine_in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def terminal(monkeypatch):
    # All are imported before the first is changed: whatever is imported later would keep the change for good.
    modules = [import_module(f"rae_auto.{name}") for name in ("views.tables", "cli.plain.status", "cli.planning")]
    for module in modules:
        monkeypatch.setattr(module, "on_terminal", lambda: True)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (None, "11:06:00"),
        ("UTC", "11:06:00"),
        ("Europe/London", "11:06:00"),
        ("Europe/Berlin", "12:06:00 CET"),
        ("Pacific/Auckland", "00:06:00 NZDT"),
    ],
)
def test_time_is_in_the_shown_zone_and_marked_where_it_differs(zone, text):
    assert local_time("2026-11-28T11:06:00+00:00", zone and ZoneInfo(zone), NOW) == text


def test_time_has_its_date_unless_that_is_today_in_the_shown_zone():
    auckland = ZoneInfo("Pacific/Auckland")
    assert local_time("2026-11-28T10:59:00+00:00", auckland, NOW) == "2026-11-28 23:59:00 NZDT"


@pytest.mark.usefixtures("daemon", "terminal")
@pytest.mark.parametrize("command", ["status", "list", "show hello"])
def test_commands_show_the_configured_zone_of_the_daemon(cli, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = cli(*command.split())
    assert (said.code, said.err) == (0, "")
    assert "-01-01 00:00:00 CET (in " in said.out


@pytest.mark.usefixtures("daemon", "terminal")
def test_history_shows_the_configured_zone_of_the_daemon(cli):
    cli("trigger", "hello")
    assert " CE" in cli("history", "hello").out.splitlines()[1]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("zone", "first"), [("Europe/Berlin", "2030-01-01 07:00:00 CET"), ("UTC", "2030-01-01 07:00:00 (")]
)
def test_next_shows_the_zone_that_was_asked_for(cli, zone, first):
    said = cli("next", "0 7 * * *", "--tz", zone, "--from", "2030-01-01T00:00:00+00:00", "--count", "1")
    assert said.out.startswith(first)


@pytest.mark.usefixtures("daemon")
def test_refusals_and_waits_are_in_the_configured_zone(cli):
    first = cli("trigger", "sleeper", "--json").json["run_id"]
    refused = cli("trigger", "sleeper").err
    cli("cancel", first)
    assert " has been open since " in refused
    assert "+00:00" not in refused
    assert " CE" in refused


@pytest.mark.usefixtures("daemon")
def test_sentences_have_times_as_tables_have_them(cli):
    cli("trigger", "hello")
    said = cli("why", "hello").out
    assert re.search(r"\b(at|since) \d\d:\d\d:\d\d CES?T\b", said)
    assert "+0" not in said


@pytest.mark.usefixtures("daemon")
def test_sentences_in_json_have_times_in_full(cli):
    cli("trigger", "hello")
    assert re.search(
        r"\b(at|since) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0[12]:00", cli("why", "hello", "--json").json["answer"]
    )


def test_terminal_says_how_a_time_was_understood_if_it_was_given(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    read_time("--since", "2026-11-28T11:00", ZoneInfo("UTC"))
    assert capsys.readouterr().err.startswith("--since: Sat 2026-11-28 11:00:00 UTC (")
    read_time("--since", "24h", ZoneInfo("UTC"), is_given=False)
    assert capsys.readouterr().err == ""
