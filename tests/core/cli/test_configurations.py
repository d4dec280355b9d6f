"""Which daemon a command finds: that of its configuration, by the key `state`, and no other."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.cli.entry import run

JOBS = '[jobs.hello]\nshell = "echo hello"\nschedule = "0 0 1 1 *"\n'


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("RAE_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(line):
        code = run(shlex.split(line))
        out, err = capsys.readouterr()
        return code, out + err

    return call


@pytest.fixture
def daemons(tmp_path, call) -> Iterator[Daemons]:
    """The daemon of `one/rae.toml`, whose state is in `one/state`; RAE_STATE_DIR isn't set."""
    (tmp_path / "one").mkdir()
    made = Daemons(tmp_path / "one", JOBS, 'state = "state"\n')
    yield made
    made.end()


def write_other(tmp_path: Path, text: str = JOBS) -> Path:
    other = tmp_path / "two" / "rae.toml"
    other.parent.mkdir()
    other.write_text(text)
    other.chmod(0o600)
    return other


def test_every_command_finds_the_daemon_by_its_configuration(daemons, call, tmp_path, monkeypatch):
    daemons.serve()
    monkeypatch.chdir(tmp_path)
    assert call("list")[0] == 3
    by_option = f"--config {daemons.config}"
    for command in ("status", "list", "show hello", "pause hello", "resume hello", "trigger hello", "reload",
                    "history", "why hello", "stats", "cancel hello", "event send a.b", "event list",
                    "add x --every 1h -- true", "remove x"):  # fmt: skip
        name, _, rest = command.partition(" -- ")
        code, said = call(f"{name} {by_option}" + (f" -- {rest}" if rest else ""))
        assert code == 0, said
    monkeypatch.chdir(daemons.home)
    assert str(daemons.config) in call("status")[1]
    assert call("stop")[0] == 0


def test_daemon_of_another_configuration_is_not_taken_for_this_one(daemons, call, tmp_path):
    daemons.serve()
    other = write_other(tmp_path, f'state = "{daemons.state}"\n{JOBS}')
    code, said = call(f"trigger hello --config {other}")
    assert code == 3
    assert f"the one in {daemons.state} runs {daemons.config}; use '--config {daemons.config}' for that" in said
    code, said = call(f"list --config {other}")
    assert (code, "added jobs are those of both" in said, "starts one" in said) == (0, True, False), said


def test_daemon_says_what_it_inherits_from_another_configuration(daemons, call, tmp_path):
    daemons.serve()
    call(f"trigger hello --config {daemons.config}")
    call(f"pause hello --config {daemons.config}")
    daemons.stop()
    daemons.serve()
    daemons.stop()
    assert "was last used with" not in daemons.output()
    other = write_other(tmp_path)
    first, daemons.config = daemons.config, other
    daemons.serve()
    expected = f'was last used with {first}, and this daemon inherits 1 paused job ("hello") and its history'
    eventually(lambda: expected in daemons.output())


def test_offline_commands_use_the_configuration_that_ran_last(daemons, call, tmp_path, monkeypatch):
    daemons.serve()
    call(f"trigger hello --config {daemons.config}")
    daemons.stop()
    monkeypatch.chdir("/")
    monkeypatch.setenv("RAE_STATE_DIR", str(daemons.state))
    code, said = call("history hello")
    assert (code, "hello" in said) == (0, True)


def test_offline_commands_work_with_a_file_that_has_errors(daemons, call):
    daemons.serve()
    call(f"trigger hello --config {daemons.config}")
    daemons.stop()
    daemons.write('state = "state"\nmax_paralel = 3\n[jobs.other]\nshel = "x"\n' + JOBS)
    code, said = call(f"history --config {daemons.config}")
    assert (code, "hello" in said) == (0, True)
    assert "(and 1 more error: 'rae-auto check')" in said
    daemons.write('state = "state"\nstore = "nosuch"\n' + JOBS)
    assert call(f"history --config {daemons.config}")[0] == 2


def test_state_that_only_the_whole_file_shows_is_refused(call, tmp_path):
    other = write_other(tmp_path, 'loggers = [\n  ["x"]\n]\nstate = "here"\n')
    assert "must be on a line of its own above all tables" in call(f"check --config {other}")[1]
    other.write_text('state = ""\n[jobs.a]\ncommand = ["true"]')
    assert "must name a directory" in call(f"check --config {other}")[1]


def test_foreign_directory_is_refused_and_left_as_it_is(daemons):
    daemons.state.mkdir(mode=0o755)
    (daemons.state / "mine").touch()
    code, said = daemons.refused()
    assert (code, 'holds "mine"' in said) == (1, True)
    assert os.listdir(daemons.state) == ["mine"]
    assert daemons.state.stat().st_mode & 0o777 == 0o755
