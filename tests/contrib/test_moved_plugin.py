"""A built-in plugin that moves into a distribution of its own works as before."""

import json
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from tests.support.separate_sites import add_distribution, run_commands

import rae_plugins.guards.weekday as weekday

CONFIG = """
timezone = "Europe/Berlin"
[jobs.a]
command = ["true"]
schedule = "30 2 * * *"
guards = [{ type = "weekday", days = ["mon-fri"] }]
guard_timeout = "0s"
[jobs.b]
command = ["true"]
schedule = "0 9 * * *"
guards = [{ type = "weekday", days = ["sat", "sun"] }]
shift = "next"
"""

COMMANDS = [
    ("check", "--json"),
    ("simulate", "--from", "2026-03-26", "--days", "7", "--json"),
    ("list", "--json"),
    ("plugins", "show", "guard", "weekday", "--json"),
    ("plugins", "list", "--json"),
]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two folders with configurations: one as it is, one with the guard "weekday" in a distribution of its own."""
    made = {}
    for name in ("built-in", "moved"):
        folder = tmp_path_factory.mktemp(name)
        (folder / "rae.toml").write_text(CONFIG)
        (folder / "rae.toml").chmod(0o600)
        (folder / "site").mkdir()
        made[name] = folder / "site"
    site, own = made["moved"], distribution("rae-auto")
    text = (own.read_text("entry_points.txt") or "").replace("weekday = rae_plugins.guards.weekday\n", "")
    add_distribution(site, "rae-auto", own.version, text)
    source = Path(str(weekday.__file__)).read_text()
    (site / "rae_guard_weekday.py").write_text(source)
    add_distribution(site, "rae-guard-weekday", own.version, "[rae_auto.guards]\nweekday = rae_guard_weekday\n")
    return made


def normalize(text: str, folder: Path) -> str:
    """Return an output without the folder, and without instants that depend on when it was made."""
    return re.sub(r'"(next_at|expected_by)": "[^"]*"', r'"\1": "…"', text.replace(str(folder.resolve()), "FOLDER"))


def test_built_in_that_moves_out_makes_no_difference(sites: dict[str, Path]) -> None:
    found = {name: run_commands(site, *COMMANDS) for name, site in sites.items()}
    folders = {name: site.parent for name, site in sites.items()}
    before, after = (
        [(code, normalize(out, folders[name]), normalize(err, folders[name])) for code, out, err in found[name][:-1]]
        for name in ("built-in", "moved")
    )
    assert [code for code, _, _ in before] == [0, 0, 0, 0], before
    assert after == before
    listed = {name: json.loads(found[name][-1][1]) for name in found}
    only_before = [one for one in listed["built-in"] if one not in listed["moved"]]
    only_after = [one for one in listed["moved"] if one not in listed["built-in"]]
    assert [(one["kind"], one["name"], one["distribution"]) for one in only_before] == [
        ("guard", "weekday", "rae-auto")
    ]
    assert [{**one, "distribution": "rae-auto"} for one in only_after] == only_before
