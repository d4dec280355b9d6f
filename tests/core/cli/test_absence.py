"""The line about what happened while a person was away: by any command that is typed on a terminal, once."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from attrs import frozen
from tests.support.daemons import Daemons

from rae_auto.cli.failures import is_typed
from rae_auto.cli.interactive import absence
from rae_auto.cli.interactive.absence import LOOKED_NAME, say_absence

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")

JOBS = """
[jobs.good]
command = ["true"]

[jobs.bad]
shell = "exit 3"
"""
WHAT_HAPPENED = ': 3 runs, 1 failed ("bad"); \'rae-auto digest --since '
LONG_AGO = time.time() - 9 * 3600


@frozen
class Away:
    """A daemon with three runs, and a person who has been away."""

    daemons: Daemons

    @property
    def file(self) -> Path:
        return self.daemons.state / LOOKED_NAME

    def leave(self) -> None:
        """Be away from now on, for nine hours already."""
        self.file.touch()
        os.utime(self.file, (LONG_AGO, LONG_AGO))

    @property
    def is_noted(self) -> bool:
        """True if a person has looked since then."""
        return self.file.stat().st_mtime > LONG_AGO + 60

    def type(
        self,
        *words: str,
        terminal: tuple[str, ...] = ("stdout", "stderr"),
        python: tuple[str, ...] = (),
        **variables: str,
    ) -> str:
        """Run a command on a terminal, or only with these of its streams on it; return what the terminal shows."""
        ours, theirs = pty.openpty()
        shown: list[bytes] = []

        def read() -> None:
            while True:
                try:
                    part = os.read(ours, 1 << 16)
                except OSError:
                    return
                if not part:
                    return
                shown.append(part)

        reading = Thread(target=read)
        reading.start()
        streams = {name: theirs if name in terminal else subprocess.DEVNULL for name in ("stdout", "stderr")}
        environment = {**os.environ, "RAE_STATE_DIR": str(self.daemons.state), "COLUMNS": "200", **variables}
        command = [sys.executable, *python, "-m", "rae_auto", *words]
        done = subprocess.run(
            command, **streams, stdin=theirs, env=environment, cwd=self.daemons.config.parent, timeout=120
        )
        os.close(theirs)
        reading.join()
        os.close(ours)
        text = b"".join(shown).decode()
        assert done.returncode in (0, 1), text
        return text


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    daemons = Daemons(tmp_path_factory.mktemp("away"), JOBS)
    daemons.serve()
    found = Away(daemons)
    for job in ("good", "good", "bad"):
        found.type("trigger", job, "--wait")
    yield found
    daemons.stop()


@pytest.mark.parametrize("words", [(), ("status",), ("list",), ("why", "bad"), ("history", "bad"), ("top", "--once")])
def test_first_command_after_an_absence_says_what_happened(away: Away, words: tuple[str, ...]) -> None:
    away.leave()
    shown = away.type(*words)
    assert WHAT_HAPPENED in shown.splitlines()[0]
    assert WHAT_HAPPENED not in away.type(*words)


def test_absence_is_that_of_the_given_configuration(away: Away, tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    config.write_text(f'state = "{away.daemons.state}"\n')
    for words in (["--config", str(config)], [f"--config={config}"]):
        away.leave()
        assert WHAT_HAPPENED in away.type("list", *words, RAE_STATE_DIR="")


@pytest.mark.parametrize(
    "words",
    [("status", "--json"), ("--help",), ("list", "--help"), ("list", "-h"), ("--version",), ("completion", "bash")],
)
def test_command_that_prints_one_thing_alone_neither_says_nor_notes_it(away: Away, words: tuple[str, ...]) -> None:
    away.leave()
    assert "3 runs" not in away.type(*words)
    assert not away.is_noted


@pytest.mark.parametrize("terminal", [("stdout",), ("stderr",), ()])
def test_command_of_a_script_neither_says_nor_notes_it(away: Away, terminal: tuple[str, ...]) -> None:
    away.leave()
    assert "3 runs" not in away.type("list", terminal=terminal)
    assert not away.is_noted


@pytest.mark.parametrize("variables", [{"RAE_RUN_ID": "r"}, {"_RAE_AUTO_COMPLETE": "bash_source"}])
def test_command_of_a_job_or_a_completion_neither_says_nor_notes_it(away: Away, variables: dict[str, str]) -> None:
    away.leave()
    assert "3 runs" not in away.type("list", **variables)
    assert not away.is_noted


def test_words_of_the_command_of_a_job_are_not_those_of_rae_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert is_typed(["add", "x", "--", "curl", "--json", "{}"])
    assert not is_typed(["add", "x", "--json", "--", "curl"])
    assert not is_typed(["run"])


def test_command_without_an_absence_imports_nothing_to_read_records(away: Away) -> None:
    away.leave()
    away.type("status")
    lines = away.type("status", python=("-X", "importtime")).splitlines()
    modules = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "rae_auto.cli.interactive.absence" in modules
    assert {name.split(".")[0] for name in modules} & {"asyncio", "attrs", "click"} == set()
    assert not [name for name in modules if name.startswith(("rae_auto.reading", "rae_auto.views.screens"))]


def test_what_happened_is_read_from_the_store_without_a_daemon(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS)
    daemons.serve()
    alone = Away(daemons)
    alone.type("trigger", "bad", "--wait")
    daemons.stop()
    alone.leave()
    assert ': 1 run, 1 failed ("bad"); ' in alone.type("history")


@pytest.fixture
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Away]:
    """The state directory of a daemon that answers nothing."""
    daemons = Daemons(tmp_path, JOBS)
    daemons.state.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("RAE_STATE_DIR", str(daemons.state))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(daemons.state / "control.sock"))
        listening.listen()
        yield Away(daemons)


def test_daemon_that_hangs_does_not_hold_up_a_command(
    deaf: Away, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(absence, "ANSWER_TIMEOUT_SECONDS", 0.1)
    deaf.leave()
    say_absence(["stop"])
    assert capfd.readouterr() == ("", "")
    assert deaf.is_noted


def test_directory_of_another_user_is_left_alone(deaf: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf.leave()
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    say_absence(["status"])
    assert not deaf.is_noted


def test_a_state_directory_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "none"))
    say_absence(["status"])
    assert not (tmp_path / "none").exists()
