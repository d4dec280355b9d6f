"""`plugins try`: a plugin at work, without a daemon."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.support.planted_plugins import good_source

from rae_auto.offline.authoring.checking import find_target, inspect_within_limit
from rae_auto.offline.authoring.trying import describe_trial, read_options

OCTOBER = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)


@pytest.fixture
def try_file(tmp_path, monkeypatch):
    def try_it(name, source, options=None):
        monkeypatch.syspath_prepend(tmp_path)
        file = tmp_path / f"{name}.py"
        file.write_text(source)
        (info,) = find_target(str(file)).infos
        return [*describe_trial(inspect_within_limit(info, options), ZoneInfo("Europe/Berlin"), OCTOBER)]

    return try_it


def test_schedule_shows_instants_clock_change_and_a_month(try_file):
    lines = try_file("tried_schedule", good_source("schedule"), {"every": 12})
    nexts = [line for line in lines if line.startswith("next: ")]
    assert len(nexts) == 10
    assert nexts[0] == "next: 2026-10-25T12:30:00+01:00  (the clocks have changed)"
    assert lines[-1] == "month: 1" + "2" * 30


def test_source_shows_what_would_fire(try_file):
    lines = try_file("tried_source", good_source("source"), {"every": 60})
    assert len([line for line in lines if line.startswith("would fire: ")]) == 10


def test_source_that_raises_shows_its_error(try_file):
    source = good_source("source").replace("while True:", "while 1 / 0:")
    assert "ZeroDivisionError" in try_file("tried_error", source)[-1]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("guard", "now: yes (always)"),
        ("read guard", "now: yes (always)"),
        ("notifier", "delivered: a sample notice"),
        ("logger", "written: a sample line"),
    ],
)
def test_each_kind_shows_what_it_does(try_file, kind, line):
    assert line in try_file(f"tried_{kind.replace(' ', '_')}", good_source(kind))


def test_mistakes_come_first(try_file):
    lines = try_file("tried_broken", good_source("schedule").replace("def next_after", "def following"))
    assert "[abstract]" in " ".join(lines)
    assert lines[-1] == "not tried: mend the mistakes first, or give the options"


def test_options_are_toml_or_text():
    options = read_options(("every=2", "days=[1, 2]", "name=backup", "on=true", "for='2h'"))
    assert options == {"every": 2, "days": [1, 2], "name": "backup", "on": True, "for": "2h"}
    with pytest.raises(ValueError, match="write key=value"):
        read_options(("every",))
