"""Property lists of launchd as jobs."""

import plistlib
from pathlib import Path
from typing import Any

import pytest

from rae_plugins.commands.importing.imported import ImportedJob, Leftover
from rae_plugins.commands.importing.launchd_agents import PlistReader, to_expression


def read(folder: Path, **keys: Any) -> ImportedJob | Leftover:
    path = folder / "org.example.backup.plist"
    path.write_bytes(plistlib.dumps({"Label": "org.example.backup", **keys}))
    return PlistReader().read(path)


@pytest.mark.parametrize(
    ("keys", "trigger"),
    [
        ({"StartInterval": 900}, {"type": "interval", "every": "15m", "from": "start"}),
        ({"StartCalendarInterval": {"Hour": 3, "Minute": 30}}, {"type": "cron", "expression": "30 3 * * *"}),
        ({"WatchPaths": ["/srv/in"]}, {"type": "file", "paths": ["/srv/in"]}),
        ({"RunAtLoad": True}, {"type": "system", "on": ["boot"]}),
    ],
)
def test_key_that_starts_a_job_becomes_a_trigger(tmp_path: Path, keys: Any, trigger: dict[str, Any]) -> None:
    found = read(tmp_path, ProgramArguments=["backup", "--all"], **keys)
    assert isinstance(found, ImportedJob)
    assert (found.id, found.table["command"], found.table["trigger"]) == ("backup", ["backup", "--all"], trigger)


def test_several_times_become_several_triggers(tmp_path: Path) -> None:
    found = read(tmp_path, Program="x", StartCalendarInterval=[{"Minute": 0}, {"Weekday": 7, "Hour": 9}])
    assert isinstance(found, ImportedJob)
    assert [one["expression"] for one in found.table["triggers"]] == ["0 * * * *", "* 9 * * 7"]


def test_missing_key_matches_all_values() -> None:
    assert to_expression({"Day": 1, "Month": 6}) == "* * 1 6 *"


def test_environment_is_kept_and_other_keys_are_remarks(tmp_path: Path) -> None:
    found = read(
        tmp_path, Program="x", Nice=5, Umask=0o27, EnvironmentVariables={"A": "1"}, KeepAlive=True, Disabled=True
    )
    assert isinstance(found, ImportedJob)
    assert {"limits", "umask", "env", "enabled"} <= found.table.keys()
    assert (found.table["umask"], found.table["triggers"]) == ("027", [{"type": "manual"}])
    assert any("KeepAlive=True" in remark for remark in found.remarks)


def test_what_runs_nothing_or_is_no_property_list_is_left_out(tmp_path: Path) -> None:
    assert isinstance(read(tmp_path), Leftover)
    (tmp_path / "bad.plist").write_text("<plist>")
    assert isinstance(PlistReader().read(tmp_path / "bad.plist"), Leftover)
