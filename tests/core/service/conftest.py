"""A user with a home, a configuration, and stand-ins for the commands of systemd that record how they are called."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons

from rae_auto.cli.entry import run

STAND_IN = """#!{python} -S
import json, os, subprocess, sys
name, *arguments = os.path.basename(sys.argv[0]), *sys.argv[1:]
home = {home!r}
with open(f"{{home}}/calls", "a") as file:
    file.write(json.dumps([name, *arguments]) + "\\n")
words = [word for word in arguments if not word.startswith("-")]
if arguments == ["--version"]:
    print("systemd 252 (252.38)")
elif name == "journalctl":
    print("a line of the journal")
elif os.path.exists(f"{{home}}/refuse") and words[0] == open(f"{{home}}/refuse").read():
    sys.exit("Failed to connect to bus: No medium found")
elif words[0] in ("enable", "start"):
    open(f"{{home}}/{{words[0].rstrip('e')}}ed", "w").close()
elif words[0] == "disable":
    os.unlink(f"{{home}}/enabled")
elif words[0] == "is-enabled":
    sys.exit(not os.path.exists(f"{{home}}/enabled"))
elif words[0] == "is-active":
    sys.exit(not os.path.exists(f"{{home}}/started"))
"""


class Machine:
    """A machine with systemd, as far as commands can tell."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.config = home / "rae.toml"
        self.state = home / ".local" / "state" / "rae-auto"
        self.unit = home / ".config" / "systemd" / "user" / "rae-auto.service"
        self._capsys = capsys

    def type(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit code, the output and the errors of 'rae-auto service …'."""
        code = run(["service", *arguments])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def calls(self) -> list[list[str]]:
        """Return the commands of the platform that change something, in the order in which they were called."""
        path = self.home / "calls"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if not {"--version", "is-enabled", "is-active", "show"} & set(line)]

    def refuse(self, command: str) -> None:
        (self.home / "refuse").write_text(command)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path leaves room for that of a socket below it."""
    with tempfile.TemporaryDirectory(prefix="rs-") as name:
        yield Path(name).resolve()


@pytest.fixture
def machine(short_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Machine]:
    if sys.platform != "linux":
        pytest.skip("the stand-ins are those of systemd")
    programs = short_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "loginctl", "journalctl"):
        (programs / name).write_text(STAND_IN.format(python=sys.executable, home=str(short_path)))
        (programs / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(short_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "RAE_STATE_DIR", "RAE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(short_path)
    monkeypatch.setattr("rae_auto.service.systemd.LINGER_DIRECTORY", short_path / "linger")
    monkeypatch.setattr("rae_auto.service.systemd.BOOTED_DIRECTORY", short_path)
    machine = Machine(short_path, capsys)
    long = "echo $$ > pid; until [ -e finish ]; do sleep 0.1; done; echo done > end"
    machine.config.write_text(f'shutdown_grace = "45s"\n[jobs.long]\nshell = "{long}"\n')
    machine.config.chmod(0o600)
    yield machine


@pytest.fixture
def daemons(machine: Machine) -> Iterator[Daemons]:
    daemons = Daemons(machine.home, machine.config.read_text(), state=machine.state)
    yield daemons
    daemons.end()
