"""`rae-auto plugins`: what is installed and what it takes, for people and for programs."""

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Site

EXITS = "raise SystemExit('imported')"


def rows_of(printed: str) -> list[list[str]]:
    """Return the cells of each line of a table."""
    return [re.split(r"  +", line) for line in printed.splitlines()]


@pytest.mark.requirement("S20")
def test_plugins_command_lists_all_without_importing_any(site: "Site") -> None:
    site.lay_out("pager", EXITS)
    done = site.rae_auto("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    assert ["notifier", "pager", "rae_notifier_pager", "1.0", "installed", "-"] in rows_of(done.stdout)


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
def test_plugins_shows_who_claims_the_name_of_a_built_in_as_broken(site: "Site") -> None:
    site.lay_out("interval", EXITS, "rae_trigger_thief", group="triggers")
    rows = [row for row in rows_of(site.rae_auto("plugins").stdout) if row[:2] == ["trigger", "interval"]]
    own, other = sorted(rows)
    assert "rae-auto" in own
    assert "installed" in own
    assert "broken" in other
    assert other[-1].startswith('trigger "interval" of rae_trigger_thief 1.0 is never used')


def test_show_prints_options_with_types_defaults_and_help(site: "Site") -> None:
    first, *options, example = rows_of(site.rae_auto("plugins", "show", "trigger", "interval").stdout)
    assert first[0].startswith("trigger interval: Fires at `from`")
    assert [row[:3] for row in options] == [
        ["every", "duration", "required"],
        ["from", "instant or one of: start, end", "1970-01-01T00:00:00+00:00"],
        ["timezone", "text", "none"],
        ["jitter", "duration", "0s"],
    ]
    assert options[3][3] == "longest random delay of a start"
    assert example == ['example: trigger = { type = "interval", every = "5m" }']


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


def test_check_names_a_distribution_with_a_misspelled_group(site: "Site") -> None:
    site.lay_out("pager", group="notifier")
    done = site.rae_auto("plugins", "check", "pager")
    assert done.returncode == 1
    hint = 'entry_points.txt:2); its author must write "rae_auto.notifiers"'
    offers = 'rae_notifier_pager 1.0 offers "pager" in the group "rae_auto.notifier", which is not looked at'
    assert offers in done.stderr
    assert hint in done.stderr


def test_check_names_two_distributions_of_one_name(site: "Site") -> None:
    site.lay_out("pager")
    site.lay_out("pager", distribution="rae_other")
    found = site.rae_auto("plugins", "check", "notifier:pager").stdout
    assert 'error: notifier "pager" is provided by rae_notifier_pager 1.0 and rae_other 1.0; uninstall one' in found
