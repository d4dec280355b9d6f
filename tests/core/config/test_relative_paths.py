"""Relative paths in a configuration file: all start from its folder, and are absolute once it is loaded."""

import os
from pathlib import Path

import pytest

from rae_auto.api.plugin import PluginSource
from rae_auto.config import Config, load
from rae_auto.config.relative_paths import resolve_job
from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Invalid
from rae_auto.registry.registry import Registry

CONFIGURATION = """
loggers = [{ type = "file", path = "logs/daemon.log" }]

[notifiers.mail]
type = "command"
command = ["./mail.sh"]

[jobs.report]
command = ["./report.sh"]
cwd = "reports"
guards = [
  { type = "path", path = "data/ready" },
  { type = "calendar", file = "holidays.ics" },
  { type = "command", command = ["./is-quiet"] },
]
triggers = [
  { type = "file", paths = ["inbox", "~/other/*.pdf", "/srv/in"] },
  { type = "threshold", command = ["./level"], above = 3 },
]

[jobs.plain]
command = ["pwd"]
"""

CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20261225
SUMMARY:Christmas
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def plugins() -> PluginSource:
    return Registry()


@pytest.fixture
def config(tmp_path: Path, plugins: PluginSource) -> Config:
    (tmp_path / "rae.toml").write_text(CONFIGURATION)
    (tmp_path / "holidays.ics").write_text(CALENDAR)
    return load(tmp_path / "rae.toml", plugins)


def test_options_of_plugins_become_absolute(config: Config, tmp_path: Path) -> None:
    report = config.jobs[0]
    file, threshold = report.schedule
    assert config.loggers[0].options["path"] == f"{tmp_path}/logs/daemon.log"
    assert file.options["paths"] == [f"{tmp_path}/inbox", "~/other/*.pdf", "/srv/in"]
    assert [guard.options.get("path") or guard.options.get("file") for guard in report.guards[:2]] == [
        f"{tmp_path}/data/ready",
        f"{tmp_path}/holidays.ics",
    ]
    assert threshold.options["cwd"] == str(tmp_path)


def test_commands_of_plugins_start_in_the_folder_of_the_file(config: Config, tmp_path: Path) -> None:
    assert config.notifiers["mail"].options["cwd"] == str(tmp_path)
    assert config.jobs[0].guards[2].options["cwd"] == str(tmp_path)


def test_job_gets_the_folder_and_its_own_working_directory(config: Config, tmp_path: Path) -> None:
    assert [(job.cwd, job.directory) for job in config.jobs] == [
        (f"{tmp_path}/reports", str(tmp_path)),
        (None, str(tmp_path)),
    ]


def test_relative_path_of_the_file_itself_makes_no_difference(
    config: Config, tmp_path: Path, plugins: PluginSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(Path("rae.toml"), plugins).jobs == config.jobs


def test_added_job_is_resolved_from_its_own_folder(plugins: PluginSource) -> None:
    job = Job(id="new", command="ls", cwd="sub", directory="/srv", guards=[{"type": "path", "path": "../ready"}])
    resolved = resolve_job(job, plugins)
    assert resolved.cwd == "/srv/sub"
    assert resolved.guards[0].options == {"path": "/ready"}
    assert resolve_job(resolved, plugins) == resolved


def test_job_of_a_program_without_a_folder_is_left_alone(plugins: PluginSource) -> None:
    job = Job(id="new", command="ls", guards=[{"type": "path", "path": "ready"}])
    assert resolve_job(job, plugins) is job


@pytest.mark.parametrize(("cwd", "message"), [("~no-such-user/x", "no home directory for"), ("~", None)])
def test_home_directories_are_expanded_or_refused(plugins: PluginSource, cwd: str, message: str | None) -> None:
    job = Job(id="new", command="ls", cwd=cwd, directory="/srv")
    if message is None:
        assert resolve_job(job, plugins).cwd == os.path.expanduser("~")
    else:
        with pytest.raises(Invalid, match=message):
            resolve_job(job, plugins)
