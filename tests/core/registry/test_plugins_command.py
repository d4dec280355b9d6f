"""`rae-auto plugins`: what is installed and what it takes, for people and for programs."""

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Site

EXITS = "raise SystemExit('imported')"


@pytest.mark.requirement("S20")
def test_plugins_command_lists_all_without_importing_any(site: "Site") -> None:
    site.lay_out("pager", EXITS)
    done = site.rae_auto("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    assert "notifier  pager  rae_notifier_pager  1.0  installed  -" in done.stdout.splitlines()


def test_plugins_as_json_is_one_object_for_each(site: "Site") -> None:
    site.lay_out("pager", EXITS)
    listed = json.loads(site.rae_auto("plugins", "--json").stdout)
    (pager,) = [row for row in listed if row["name"] == "pager"]
    assert pager == {
        "kind": "notifier",
        "name": "pager",
        "distribution": "rae_notifier_pager",
        "version": "1.0",
        "state": "installed",
        "problem": None,
    }
    assert {(row["kind"], row["name"]) for row in listed} >= {("trigger", "interval"), ("store", "sqlite")}


@pytest.mark.requirement("S21")
def test_plugins_shows_a_name_that_two_claim_as_broken(site: "Site") -> None:
    site.lay_out("interval", EXITS, "rae_trigger_thief", group="triggers")
    rows = [line for line in site.rae_auto("plugins").stdout.splitlines() if line.startswith("trigger  interval")]
    assert len(rows) == 2
    assert all('broken  trigger "interval" is provided by' in row for row in rows)


def test_show_prints_options_with_types_defaults_and_help(site: "Site") -> None:
    shown = site.rae_auto("plugins", "show", "trigger", "interval").stdout.splitlines()
    assert shown[0].startswith("trigger interval: Fires at `from`")
    assert shown[1:] == [
        'every  duration  required  time from one start to the next; "1d" and "2w" are days of the calendar',
        "from  instant  1970-01-01T00:00:00+00:00  an instant at which it fires, before or after now",
        "timezone  text  none  time zone of days and weeks; default: the configured one",
        "jitter  duration  0s  longest random delay of a start",
        'example: trigger = { type = "interval", every = "5m" }',
    ]


def test_show_as_json_has_the_same(site: "Site") -> None:
    shown = json.loads(site.rae_auto("plugins", "show", "logger", "file", "--json").stdout)
    options = {row["option"]: (row["type"], row["default"]) for row in shown["options"]}
    assert (shown["kind"], shown["name"]) == ("logger", "file")
    assert options == {
        "path": ("text", "none"),
        "level": ("one of: DEBUG, INFO, WARNING, ERROR", "INFO"),
        "format": ("one of: text, json", "text"),
        "rotation": ("size", "10MB"),
        "retention": ("duration", "30d"),
        "output": ("true or false", "false"),
    }


@pytest.mark.requirement("S18")
@pytest.mark.parametrize(
    ("source", "problem"),
    [("raise OSError('\\x1b]0;owned\\x07')", r"OSError: \x1b]0;owned\x07"), (EXITS, "SystemExit: imported")],
)
def test_show_of_a_broken_plugin_is_one_escaped_line_and_no_traceback(site: "Site", source: str, problem: str) -> None:
    site.lay_out("pager", source)
    done = site.rae_auto("plugins", "show", "notifier", "pager")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert problem in done.stderr
