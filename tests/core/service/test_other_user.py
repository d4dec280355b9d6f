"""A service of another user: root looks with that user's rights, in a process of its own."""

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rae_auto.errors import ConfigError, SchedulerError
from rae_auto.service.other_user import look, look_as

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can look with another user's rights"
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("RAE_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/of/root/alone")
    path = tmp_path / "rae.toml"
    path.write_text('shutdown_grace = "45s"\n')
    path.chmod(0o600)
    yield path


def test_view_has_the_state_in_the_home_of_the_user(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/of/another")
    monkeypatch.setenv("PATH", f"/no/such{os.pathsep}/usr/bin{os.pathsep}{config}")
    view = look_as("root", config)
    assert view.state == Path("~root/.local/state/rae-auto").expanduser()
    assert (view.is_configured, view.search_path) == (False, "/usr/bin")
    assert view.shutdown_grace == timedelta(seconds=45)


def test_state_that_the_configuration_names_is_used(config: Path) -> None:
    config.write_text('state = "here"\n')
    view = look_as("root", config)
    assert (view.state, view.is_configured) == (config.parent / "here", True)


def test_errors_of_the_configuration_name_the_user(config: Path) -> None:
    config.write_text("nonsense = 1\nmore = 2\n")
    with pytest.raises(ConfigError) as caught:
        look_as("root", config)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith(f'for the user "root": {config}:1: nonsense: unknown key')


def test_user_without_the_program_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = config.parent / "locked" / "python"
    program.parent.mkdir(mode=0o700)
    program.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(SchedulerError) as caught:
        look_as("nobody", config)
    assert str(caught.value) == (
        f'--user: "nobody" can\'t run {program}; install rae-auto where that user can read it, '
        "as in 'python3 -m venv /opt/rae-auto', and run this from there"
    )


def test_user_without_a_home_needs_the_key_state(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    (problem,) = look(config)["problems"]
    assert problem.startswith(f"{config}: the state directory /dev/null/state/rae-auto can't be created or written;")
    assert problem.endswith('as in state = "/var/lib/rae-auto"')
