"""A real daemon, and the command line beside it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from tests.support.daemons import Daemons, stop_at_once
from tests.support.table_text import squeeze_columns
from tests.support.waiting import eventually

from rae_auto.cli.entry import run

CONFIG = """
timezone = "Europe/Berlin"
loggers = ["file"]

[jobs.hello]
shell = "echo hello from $RAE_JOB"
schedule = "0 0 1 1 *"

[jobs.sleeper]
command = ["sleep", "600"]

[jobs.after]
command = ["true"]
trigger = "manual"
needs = ["sleeper"]

[jobs.broken]
command = ["sh", "-c", "echo oh no >&2; exit 3"]
"""


@frozen
class Said:
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def table(self) -> str:
        return squeeze_columns(self.out)


Cli = Callable[..., Said]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the daemon of this session has its configuration and its state."""
    home = tmp_path_factory.mktemp("home")
    (home / "rae.toml").write_text(CONFIG)
    (home / "rae.toml").chmod(0o600)
    return home


@pytest.fixture(scope="session")
def daemon(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon in a process of its own."""
    environment = {**os.environ, "RAE_STATE_DIR": str(home / "state")}
    command = [sys.executable, "-m", "rae_auto", "run", "--config", str(home / "rae.toml")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    eventually(lambda: _answers(home / "state" / "control.sock") or process.poll() is not None)
    assert process.poll() is None, process.communicate()[1].decode()
    yield process
    stop_at_once(process)
    process.communicate()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path) -> Cli:
    """The program, in the directory of the configuration."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("RAE_STATE_DIR", str(home / "state"))

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = run(list(arguments))
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, cli: Cli, tmp_path: Path) -> Cli:
    """The program where there is no daemon and no configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return cli


@pytest.fixture
def daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Daemons]:
    """Daemons of the module's `JOBS`; the test runs in the folder of their configuration."""
    made = Daemons(tmp_path, request.module.JOBS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAE_STATE_DIR", str(made.state))
    yield made
    made.end()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The configuration that the module has as `CONFIG`, in the working directory."""
    path = tmp_path / "rae.toml"
    path.write_text(request.module.CONFIG)
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return path
