"""rae-auto export: its forms, its files, and what it refuses."""

import json
from pathlib import Path

import pytest

CONFIG = """
timezone = "UTC"
[jobs.backup]
command = ["backup", "--all"]
schedule = "30 2 * * *"
[jobs.watch]
command = ["watch"]
trigger = { type = "file", paths = ["/srv"] }
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)


def test_crontab_has_each_job_or_a_comment(offline) -> None:
    said = offline("export", "crontab")
    assert (said.code, "30 2 * * * " in said.out, "# watch, without a file trigger" in said.out) == (0, True, True)


def test_json_has_the_definitions_of_the_jobs_that_are_named(offline) -> None:
    (found,) = json.loads(offline("export", "json", "--job", "watch").out)
    assert (found["id"], found["command"]) == ("watch", ["watch"])


def test_units_are_written_to_a_folder_and_never_over_others(offline) -> None:
    assert offline("export", "systemd").code == 2
    said = offline("export", "systemd", "--output", "units")
    assert (said.code, "watch is not exported" in said.err) == (0, True)
    assert "OnCalendar=*-*-* 2:30:00 UTC" in Path("units/backup.timer").read_text()
    assert "exists; remove it" in offline("export", "systemd", "--output", "units").err


def test_calendar_has_the_next_starts(offline) -> None:
    said = offline("export", "ics", "--starts", "3")
    assert said.out.count("SUMMARY:backup") == 3
    assert "watch is not in the calendar" in said.err
