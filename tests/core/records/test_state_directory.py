"""The state directory: what may become one, what is refused and left as it is, and whose it is."""

import os
from pathlib import Path

import pytest

from rae_auto.errors import StoreError
from rae_auto.paths import (
    STATE_MARKER,
    configured_state_directory,
    last_config,
    last_log,
    last_log_place,
    state_directory,
)
from rae_auto.records.state_directory import claim_state_directory, note_daemon


def mode_of(path):
    return path.stat().st_mode & 0o7777


def test_new_and_empty_directories_become_private(tmp_path):
    (tmp_path / "empty").mkdir(mode=0o755)
    for name in ("new", "empty"):
        directory = claim_state_directory(tmp_path / name)
        assert mode_of(directory) == 0o700
        assert os.listdir(directory) == [STATE_MARKER]
        claim_state_directory(tmp_path / name)


def test_our_directory_stays_ours_whatever_it_holds(tmp_path):
    directory = claim_state_directory(tmp_path / "state")
    (directory / "other").touch()
    directory.chmod(0o750)
    claim_state_directory(directory)
    assert mode_of(directory) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o555])
def test_directory_with_other_files_is_refused_and_left_as_it_is(tmp_path, mode):
    for name in "dcba":
        (tmp_path / name).touch()
    tmp_path.chmod(mode)
    with pytest.raises(StoreError, match=r'holds "a", "b", "c" and others; choose a new directory'):
        claim_state_directory(tmp_path)
    assert mode_of(tmp_path) == mode
    tmp_path.chmod(0o700)
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c", "d"]


def test_empty_directory_that_others_write_to_is_refused(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    with pytest.raises(StoreError, match=r"others can write to it \(mode 1777\); run 'chmod 700 "):
        claim_state_directory(tmp_path / "shared")
    assert mode_of(tmp_path / "shared") == 0o1777


def test_configuration_that_used_it_last_is_known(tmp_path):
    directory = claim_state_directory(tmp_path / "state")
    assert last_config(directory) is None
    note_daemon(directory, tmp_path / "rae.toml", None)
    claim_state_directory(directory)
    assert last_config(directory) == tmp_path / "rae.toml"
    assert last_log(directory) is None
    (directory / STATE_MARKER).write_text("[1]")
    assert last_config(directory) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('state = "here"', "here"),
        ("# x\n  'state' = 'a/../b'  # beside it\n", "b"),
        ('"state"="/srv/state"', "/srv/state"),
        ('loggers = [\n  "console",\n]\nstate = "here"\n[jobs.a]\n', "here"),
        ('[jobs.a]\nenv = { state = "x" }\nstate = "there"', None),
        ("state = 3", None),
        ("state = ", None),
        ('state = "here"\n[jobs.a\nbroken', "here"),
        ('statement = "x"', None),
    ],
)
def test_key_state_is_read_from_files_with_errors_too(tmp_path, text, expected):
    config = tmp_path / "rae.toml"
    config.write_text(text)
    config.chmod(0o600)
    assert configured_state_directory(config) == (None if expected is None else tmp_path / expected)


def test_file_that_everyone_can_write_leads_nowhere(tmp_path):
    config = tmp_path / "rae.toml"
    config.write_text('state = "here"')
    config.chmod(0o666)
    assert configured_state_directory(config) is None
    os.mkfifo(tmp_path / "pipe")
    assert configured_state_directory(tmp_path / "pipe") is None


def test_variable_overrides_key_overrides_default(tmp_path, monkeypatch):
    config = tmp_path / "rae.toml"
    config.write_text('state = "here"')
    config.chmod(0o600)
    monkeypatch.delenv("RAE_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_directory(config) == tmp_path / "here"
    assert state_directory(tmp_path / "absent.toml") == state_directory() == tmp_path / "xdg" / "rae-auto"
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "chosen"))
    assert state_directory(config) == Path(tmp_path / "chosen")


def test_place_of_a_log_that_is_no_file_is_known(tmp_path):
    directory = claim_state_directory(tmp_path / "state")
    note_daemon(directory, tmp_path / "rae.toml", None, ["the journal", "syslog"])
    assert (last_log(directory), last_log_place(directory)) == (None, "the journal and syslog")
    note_daemon(directory, tmp_path / "rae.toml", None)
    assert last_log_place(directory) is None
