"""Bad starts of the real program: one clear line, the right exit code, and never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rae_auto.cli.entry import run
from rae_auto.records.state_directory import claim_state_directory

JOB = '[jobs.a]\ncommand = ["true"]\n'


def start(home: Path, state: Path) -> tuple[int, str]:
    """Exit code and standard error of a daemon with `home`/rae.toml."""
    command = [sys.executable, "-m", "rae_auto", "run", "--config", str(home / "rae.toml")]
    environment = {**os.environ, "RAE_STATE_DIR": str(state)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr


def start_here(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The same within this process, where the configuration is refused before there is a daemon."""
    monkeypatch.setenv("RAE_STATE_DIR", str(home / "state"))
    return run(["run", "--config", str(home / "rae.toml")]), capsys.readouterr().err


def write(home: Path, content: str, mode: int = 0o600) -> None:
    (home / "rae.toml").write_text(content)
    (home / "rae.toml").chmod(mode)


def assert_one_line(said: str, *words: str) -> None:
    assert said.startswith("rae-auto: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert [word for word in words if word not in said] == []


@pytest.mark.requirement("R38")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[jobs.a\n", "rae.toml:1: invalid TOML"),
        ('store = "nosuch"\n', 'unknown store "nosuch"'),
        ('loggers = ["nosuch"]\n', 'unknown logger "nosuch"'),
        (JOB + 'schedule = {use = "nosuch"}\n', "jobs.a.schedule: must be text"),
        (JOB + 'needs = ["b"]\n[jobs.b]\ncommand = ["true"]\nneeds = ["a"]\n', "in a cycle: a → b → a"),
        (JOB + 'needs = ["nobody"]\n', "nobody"),
        (JOB + 'schedule = "61 * * * *"\n', 'minute "61"'),
        ("colour = 1\n", "colour: unknown key"),
        ('timezone = "Mars/X"\n', 'unknown time zone "Mars/X"'),
        ("max_parallel = nan\n", "max_parallel"),
        (
            '[jobs.a]\npython = "m:f"\nlimits = { nice = 5 }\nisolated = false\n',
            "rae.toml:3: jobs.a.limits.nice: can't be enforced: the thread executor can't enforce it",
        ),
    ],
)
def test_bad_configuration_is_refused_in_one_line(tmp_path, monkeypatch, capsys, content, message):
    write(tmp_path, content)
    code, said = start_here(tmp_path, monkeypatch, capsys)
    assert_one_line(said, message, "rae.toml")
    assert code == 2
    assert not (tmp_path / "state").exists()


def a_directory(home: Path) -> None:
    (home / "rae.toml").mkdir()


def a_link_to_itself(home: Path) -> None:
    (home / "rae.toml").symlink_to("rae.toml")


@pytest.mark.requirement("S1")
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda home: None, "file not found"),
        (a_directory, "is a directory"),
        (a_link_to_itself, "can't be read"),
        (lambda home: write(home, JOB, 0o666), "is writable by everyone"),
    ],
)
def test_configuration_writable_by_others_is_refused(tmp_path, monkeypatch, capsys, prepare, message):
    prepare(tmp_path)
    code, said = start_here(tmp_path, monkeypatch, capsys)
    assert_one_line(said, message)
    assert code == 2


def test_program_is_refused_a_missing_configuration(tmp_path):
    code, said = start(tmp_path, tmp_path / "state")
    assert_one_line(said, "file not found")
    assert code == 2


@pytest.mark.parametrize("below", ["", "deeper"])
def test_file_in_place_of_the_state_directory_is_reported(tmp_path, below):
    write(tmp_path, JOB)
    (tmp_path / "state").touch()
    code, said = start(tmp_path, tmp_path / "state" / below)
    assert_one_line(said, "can't be used as a state directory", "RAE_STATE_DIR")
    assert code == 1


def test_read_only_state_directory_is_reported(tmp_path):
    write(tmp_path, JOB)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    # Root may write wherever there is a disk.
    code, said = start(tmp_path, closed / "state" if os.geteuid() else Path("/proc/self/state"))
    assert_one_line(said, "can't be used as a state directory", "RAE_STATE_DIR")
    assert code == 1


@pytest.mark.requirement("R20")
def test_garbage_store_is_reported_and_kept(tmp_path):
    write(tmp_path, JOB)
    state = tmp_path / "state"
    claim_state_directory(state)
    garbage = bytes(range(256)) * 32
    (state / "state.sqlite").write_bytes(garbage)
    code, said = start(tmp_path, state)
    assert_one_line(said, "state.sqlite", "restore a backup")
    assert code == 1
    assert (state / "state.sqlite").read_bytes() == garbage


def test_long_socket_path_is_reported_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    write(tmp_path, JOB)
    code, said = start(tmp_path, tmp_path / ("x" * 120))
    assert_one_line(said, "control.sock", "path too long", "set RAE_STATE_DIR to a shorter path")
    assert code == 1


@pytest.mark.requirement("S7")
def test_file_in_place_of_the_socket_is_reported_and_kept(tmp_path):
    write(tmp_path, JOB)
    state = tmp_path / "state"
    claim_state_directory(state)
    (state / "control.sock").write_text("mine")
    code, said = start(tmp_path, state)
    assert_one_line(said, "control.sock", "remove it")
    assert code == 1
    assert (state / "control.sock").read_text() == "mine"


@pytest.mark.requirement("R20")
def test_garbage_journal_is_reported(tmp_path):
    write(tmp_path, 'store = "json"\n' + JOB)
    state = tmp_path / "state"
    claim_state_directory(state)
    (state / "journal.jsonl").write_bytes(bytes(range(256)) * 8)
    code, said = start(tmp_path, state)
    assert_one_line(said, "restore a backup")
    assert code == 1
