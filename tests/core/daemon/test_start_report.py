"""The first lines of the log, and the command for a second terminal."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.log_lines import captured_log

from rae_auto.daemon.start_report import describe_plan, log_ready, log_start, status_elsewhere
from rae_auto.platforms.shells import WindowsShells

CONFIG = Path("/etc/rae.toml")


@pytest.fixture
def log() -> Iterator[list[str]]:
    with captured_log() as lines:
        yield lines


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program in a virtual environment in the home directory, started by its relative path."""
    program = tmp_path / "home" / "my clone" / "bin" / "rae-auto"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAE_STATE_DIR", raising=False)
    monkeypatch.chdir(program.parents[1])
    monkeypatch.setattr(sys, "argv", ["bin/rae-auto", "run"])
    return program


def test_status_elsewhere_is_a_path_that_works_in_any_folder(program: Path) -> None:
    assert status_elsewhere(CONFIG) == "~/'my clone/bin/rae-auto' status"


def test_status_elsewhere_is_the_name_if_the_path_finds_it(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert status_elsewhere(CONFIG) == "rae-auto status"


def test_status_elsewhere_names_the_state_directory(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_STATE_DIR", "state")
    assert status_elsewhere(CONFIG) == "RAE_STATE_DIR=~/'my clone/state' ~/'my clone/bin/rae-auto' status"


def test_status_elsewhere_of_a_module_names_the_interpreter(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/rae_auto/__main__.py", "run"])
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert status_elsewhere(CONFIG) == "/usr/bin/python3 -m rae_auto status"


def test_status_elsewhere_goes_to_the_folder_that_says_where_the_state_is(program: Path, tmp_path: Path) -> None:
    for name, command in (
        ("rae.toml", f"cd {tmp_path} && ~/'my clone/bin/rae-auto' status"),
        ("other.toml", f"~/'my clone/bin/rae-auto' status --config {tmp_path}/other.toml"),
    ):
        (tmp_path / name).write_text('state = "state"\n')
        assert status_elsewhere(tmp_path / name) == command


def test_status_elsewhere_is_one_that_both_shells_of_windows_take(program: Path, tmp_path: Path, monkeypatch) -> None:
    shell, module = WindowsShells(), f"{program.parent / 'python'}"
    monkeypatch.setattr(sys, "argv", ["/x/rae_auto/__main__.py", "run"])
    monkeypatch.setattr(sys, "executable", module)
    (tmp_path / "rae.toml").write_text('state = "state"\n')
    words = f'"{module}" -m rae_auto status'
    assert status_elsewhere(tmp_path / "rae.toml", shell) == f"{words} --config {tmp_path / 'rae.toml'}"
    monkeypatch.setenv("RAE_STATE_DIR", "my state")
    expected = f'cmd /c "set RAE_STATE_DIR={Path.cwd() / "my state"}&& {words}"'
    assert status_elsewhere(tmp_path / "rae.toml", shell) == expected


@pytest.mark.parametrize(
    ("path", "quoted"),
    [(r"C:\Users\me\rae.toml", r"C:\Users\me\rae.toml"), (r"C:\My files\rae.toml", r'"C:\My files\rae.toml"')],
)
def test_paths_of_windows_are_quoted_in_double_quotes(path: str, quoted: str) -> None:
    assert WindowsShells().quote_path(Path(path), None) == quoted


def test_first_lines_say_where_things_are_and_what_is_next(log: list[str], program: Path) -> None:
    log_start(Path("/etc/rae.toml"), Path("/state"), ["the journal"])
    due = [(datetime(2050, 1, day, tzinfo=UTC), f"job{day}") for day in (4, 1, 3, 2)]
    log_ready(CONFIG, describe_plan(4, due, is_enabled=True), is_enabled=True)
    assert "configuration /etc/rae.toml, state /state" in log[0]
    assert log[1] == "log: the journal"
    assert "4 jobs; next: job1 at 20" in log[2]
    assert log[2].index("job1") < log[2].index("job2") < log[2].index("job3")
    assert "job4" not in log[2]
    assert "in a second terminal: '~/'my clone/bin/rae-auto' status'" in log[3]


def test_first_lines_of_jobs_that_nothing_starts_say_so(log: list[str], program: Path) -> None:
    log_ready(CONFIG, describe_plan(1, [], is_enabled=True), is_enabled=True)
    log_ready(CONFIG, describe_plan(1, [], is_enabled=False), is_enabled=False)
    assert log[0] == "1 job; none has a next start that is known yet"
    assert "by hand only" in log[3]


def test_next_starts_are_by_the_configured_clock() -> None:
    due = [(datetime(2050, 1, 4, 12, tzinfo=UTC), "job")]
    assert (
        describe_plan(1, due, ZoneInfo("Asia/Tokyo"), is_enabled=True) == "1 job; next: job at 2050-01-04 21:00:00 JST"
    )
