"""Commands of a user id without an entry in the user database, and without HOME: they work, or say what to set."""

import pytest
from tests.support.unknown_user import forget_user

LINE = "rae-auto: your home directory is unknown, because user id "
HINT = "HOME is not set; set HOME, or set RAE_STATE_DIR and write paths without ~\n"
CONFIG = '[jobs.a]\ncommand = ["true"]\nschedule = "0 12 * * *"\n'


@pytest.fixture
def unknown(offline, tmp_path, monkeypatch):
    (tmp_path / "rae.toml").write_text(CONFIG)
    (tmp_path / "rae.toml").chmod(0o600)
    forget_user(monkeypatch)
    return offline


@pytest.mark.parametrize(
    "command",
    [["status"], ["list"], ["run"], ["simulate"], ["service", "status"], ["check", "--config", "~/rae.toml"], []],
    ids=" ".join,
)
def test_unknown_user_gets_one_line_without_a_state_directory(unknown, monkeypatch, command):
    monkeypatch.delenv("RAE_STATE_DIR")
    said = unknown(*command)
    assert said.code == 1
    assert said.err.startswith(LINE)
    assert said.err.endswith(HINT)
    assert said.err.count("\n") == 1


def test_unknown_user_can_check_without_a_state_directory(unknown, monkeypatch):
    monkeypatch.delenv("RAE_STATE_DIR")
    assert unknown("check").code == 0
    said = unknown("doctor")
    assert said.code == 1
    assert "problem  environment: your home directory is unknown" in said.out


@pytest.mark.parametrize("command", [["list"], ["check"], ["next", "a"], ["exec", "a"]], ids=" ".join)
def test_unknown_user_works_with_a_state_directory(unknown, command):
    said = unknown(*command)
    assert (said.code, said.err.count("Traceback")) == (0, 0)
