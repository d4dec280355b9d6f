"""The hook of `rae-auto event hook` in real shells on a terminal of their own: what is typed, and what is recorded."""

import contextlib
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from tests.support.packages import need
from tests.support.waiting import eventually

fcntl = pytest.importorskip("fcntl", reason="needs pseudo-terminals")
pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
termios = pytest.importorskip("termios", reason="needs pseudo-terminals")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="these shells are those of POSIX systems")

COMMANDS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"], "fish": ["fish", "-i"]}

PROMPT = "ready> "

SECRET = "hunter2"


@pytest.fixture(params=sorted(COMMANDS))
def shell(request: pytest.FixtureRequest) -> str:
    need({request.param: request.param})
    return str(request.param)


class Terminal:
    """A shell, and a user who types."""

    def __init__(self, shell: str, place: Path, state: Path, recorded: Callable[[], list[dict[str, Any]]]) -> None:
        self.shell, self.place = shell, place
        self._recorded = recorded
        self._marks = count()
        self._is_closed = False
        self.said = b""
        self._ours, theirs = pty.openpty()
        home = place / "home"
        (home / ".config" / "fish").mkdir(parents=True)
        (home / ".config" / "fish" / "config.fish").write_text(f"function fish_prompt; echo -n '{PROMPT}'; end")
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "RAE_STATE_DIR": str(state),
            "TERM": "dumb",
            "PS1": PROMPT,
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self._process = subprocess.Popen(
            COMMANDS[shell],
            cwd=place,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._listening = Thread(target=self._listen)
        self._listening.start()

    def _listen(self) -> None:
        # Linux says so where the other end is closed.
        with contextlib.suppress(OSError):
            while not self._is_closed:
                if select.select([self._ours], [], [], 0.1)[0]:
                    self.said += os.read(self._ours, 1 << 16)

    def type(self, line: str) -> None:
        os.write(self._ours, line.replace("\n", "\r").encode() + b"\r")

    def interrupt(self, typed: str = "") -> None:
        """Ctrl-C, after the beginning of a line."""
        os.write(self._ours, typed.encode())
        eventually(lambda: typed.encode() in self.said)
        # A signal that comes just before it waits for a key, readline notices with the next key only.
        eventually(lambda: psutil.Process(self._process.pid).status() == psutil.STATUS_SLEEPING)
        before = self.said.count(PROMPT.encode())
        os.write(self._ours, b"\x03")
        # Shells throw away what was typed before they have seen to it.
        eventually(lambda: self.said.count(PROMPT.encode()) > before)

    def waits_for(self, program: str) -> bool:
        """Return whether it has started as a child of the shell: a fork of the shell's may lose Ctrl-C."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return any(child.name() == program for child in psutil.Process(self._process.pid).children())
        return False

    def install(self) -> None:
        hook = f"rae-auto event hook {self.shell}"
        self.type(f"{hook} | source" if self.shell == "fish" else f'eval "$({hook})"')
        self.reach()

    def reach(self) -> None:
        """Return when all that was typed has been done."""
        mark = self.place / f"mark{next(self._marks)}"
        self.type(f": > {mark.name}")
        eventually(mark.exists)

    def events(self) -> list[dict[str, Any]]:
        """Return the events of this shell without its marks, the oldest first."""
        found = [event["data"] for event in reversed(self._recorded())]
        return [data for data in found if data["cwd"].startswith(str(self.place)) and data.get("program") != ":"]

    def programs(self) -> set[str]:
        """The programs that are recorded."""
        return {data["program"] for data in self.events() if "program" in data}

    def run(self, line: str) -> dict[str, Any]:
        """Type a line and return the data of its event."""
        before = len(self.events())
        self.type(line)
        eventually(lambda: len(self.events()) > before)
        return self.events()[before]

    def close(self) -> None:
        self._is_closed = True
        for process in psutil.process_iter():
            # What a shell runs has process groups of its own.
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                if os.getsid(process.pid) == self._process.pid:
                    process.kill()
        self._process.wait()
        self._listening.join()
        os.close(self._ours)


@pytest.fixture
def recorded(daemon, cli) -> Callable[[], list[dict[str, Any]]]:
    return lambda: cli("event", "list", "--name", "shell.command", "--limit", "1000", "--json").json


@pytest.fixture
def terminal(daemon, home, recorded, tmp_path) -> Iterator[Callable[..., Terminal]]:
    made = []

    def make(shell: str, state: Path = home / "state") -> Terminal:
        made.append(Terminal(shell, tmp_path, state, recorded))
        return made[-1]

    yield make
    for one in made:
        one.close()


def program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)


def test_hook_records_program_status_duration_and_directory(terminal, shell, tmp_path):
    typing = terminal(shell)
    typing.install()
    assert typing.events() == []
    data = typing.run("sleep 0.2")
    assert 0.2 <= data.pop("seconds") < 60
    assert data == {"program": "sleep", "exit_code": 0, "cwd": str(tmp_path)}
    (tmp_path / "below").mkdir()
    assert typing.run("cd below")["cwd"] == str(tmp_path)
    assert typing.run("true | false")["cwd"] == str(tmp_path / "below")
    assert typing.events()[-1]["exit_code"] == 1


def test_hook_preserves_exit_status_and_shell_jobs(terminal, shell, tmp_path):
    typing = terminal(shell)
    typing.install()
    status, last = ("$status", "$last_pid") if shell == "fish" else ("$?", "$!")
    assert typing.run("sh -c 'exit 7'")["exit_code"] == 7
    typing.run(f"echo {status} > status")
    assert (tmp_path / "status").read_text() == "7\n"
    typing.run("sleep 600 &")
    typing.run(f"echo {last} > before")
    typing.run("true")
    typing.run(f"echo {last} > after")
    typing.run("jobs > jobs")
    assert (tmp_path / "after").read_text() == (tmp_path / "before").read_text() != "\n"
    (job,) = (tmp_path / "jobs").read_text().splitlines()
    assert "sleep 600" in job
    typing.run(f"kill {last}")


NAMES = ["my prog", "it's", 'say "no"', "naïve", "two\nlines", "back\\slash"]


def test_hook_records_programs_with_unusual_names(terminal, shell, tmp_path):
    typing = terminal(shell)
    typing.install()
    for name in NAMES:
        program(tmp_path / name)
        escaped = name.replace("\\", "\\\\") if shell == "fish" else name
        quoted = '"./' + escaped + '"' if "'" in name else f"'./{escaped}'"
        typing.type(f"{quoted} an argument")
    eventually(lambda: typing.programs() == {f"./{name}" for name in NAMES})
    assert {data["exit_code"] for data in typing.events()} == {0}


LINES = {
    "one; false": "one",
    "two 'an argument' && false": "two",
    "MODE=a three": "three",
    "MODE='a b' OTHER=\"c d\" four x": "four",
    "no-such-command-here": None,
    "five | cat": "five",
    "six # and a remark": "six",
    "'seven'": "seven",
}

POSIX_LINES = {
    "(eight; nine)": None,
    "MODE=(a nine) true": None,
    "! ten": "ten",
    "time eleven": "eleven",
    "$SHELL -c true": None,
    "for each in 1 2; do nine; done": "for",
    "MODE=`feedback_key nine nine`": None,
}

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]


def test_hook_finds_the_program_behind_assignments(terminal, shell, tmp_path):
    (tmp_path / "programs").mkdir()
    for word in WORDS:
        program(tmp_path / "programs" / word)
    typing = terminal(shell)
    typing.type("set -x PATH programs $PATH" if shell == "fish" else "PATH=programs:$PATH; SHELL=/bin/sh")
    typing.install()
    lines = LINES if shell == "fish" else LINES | POSIX_LINES
    for line in lines:
        typing.type(line)
    eventually(lambda: len(typing.events()) == len(lines))
    assert Counter(data.get("program") for data in typing.events()) == Counter(lines.values())


def test_hook_never_sends_arguments_or_assignments(terminal, shell, tmp_path, home):
    typing = terminal(shell)
    typing.install()
    lines = [
        f"true --password={SECRET}",
        f"TOKEN={SECRET} true",
        f"TOKEN='a {SECRET} b' true {SECRET}",
        f'TOKEN="a \\" {SECRET}" true',
        f"true '\n{SECRET}\n'",
        f"true | grep {SECRET}",
        SECRET,
        f"true # {SECRET}",
    ]
    if shell != "fish":
        lines += [
            f"TOKEN=$(echo {SECRET} {SECRET}) true",
            f"TOKEN=`echo {SECRET} {SECRET}` true",
            f"TOKEN=(a {SECRET} b) true",
            f"TOKEN={SECRET}",
            f"(echo {SECRET} > /dev/null)",
            f"$(echo echo {SECRET}) > /dev/null",
            f"cat <<end > /dev/null\n{SECRET}\nend",
            f"a=(x {SECRET})",
        ]
    for line in lines:
        typing.type(line)
    eventually(lambda: len(typing.events()) == len(lines))
    for path in [path for path in (home / "state").rglob("*") if path.is_file()]:
        assert SECRET.encode() not in path.read_bytes(), path


def test_hook_ignores_lines_that_are_not_commands(terminal, shell, tmp_path):
    typing = terminal(shell)
    typing.install()
    typing.type("")
    typing.type("   ")
    typing.reach()
    if shell != "fish":
        # It may redraw its prompt without printing it again.
        typing.interrupt("half a line")
    typing.type("sleep 600")
    eventually(lambda: typing.waits_for("sleep"))
    typing.interrupt()
    eventually(typing.events)
    typing.run("false")
    assert [(data["program"], data["exit_code"]) for data in typing.events()] == [("sleep", 130), ("false", 1)]


def test_hook_installed_twice_records_once_and_can_be_disabled(terminal, shell):
    typing = terminal(shell)
    typing.install()
    typing.install()
    typing.run("true")
    typing.type("set -g RAE_SHELL_EVENTS off" if shell == "fish" else "RAE_SHELL_EVENTS=off")
    typing.type("false")
    typing.type("set -e RAE_SHELL_EVENTS" if shell == "fish" else "unset RAE_SHELL_EVENTS")
    typing.run("env true")
    eventually(lambda: {"true", "set" if shell == "fish" else "unset", "env"} <= typing.programs())
    programs = [data.get("program") for data in typing.events()]
    assert (programs.count("true"), programs.count("false")) == (1, 0)


def test_hook_is_silent_without_a_daemon(terminal, shell, tmp_path):
    typing = terminal(shell, state=tmp_path / "nowhere")
    typing.install()
    for line in ("true", "sh -c 'exit 3'", "sleep 0.2"):
        typing.type(line)
        typing.reach()
    assert b"rae-auto:" not in typing.said
    assert b"no daemon" not in typing.said
    assert not (tmp_path / "nowhere").exists()


def test_hook_keeps_other_hooks_of_bash(terminal, tmp_path):
    typing = terminal("bash")
    typing.type("PROMPT_COMMAND='echo $? >> prompts' PS0='(begun)'")
    typing.install()
    typing.run("sh -c 'exit 4'")
    typing.run("echo one two")
    typing.run("echo $_ > last")
    assert (tmp_path / "last").read_text() == "two\n"
    assert "4" in (tmp_path / "prompts").read_text().split()
    assert b"(begun)one two" in typing.said


def test_hook_keeps_the_debug_trap_of_bash(terminal, tmp_path):
    typing = terminal("bash")
    typing.type("trap 'echo \"$BASH_COMMAND\" >> traps' DEBUG; shopt -s extdebug")
    typing.install()
    assert typing.run("echo one two")["program"] == "echo"
    assert "echo one two" in (tmp_path / "traps").read_text().splitlines()


def test_hook_keeps_other_hooks_of_zsh(terminal, tmp_path):
    typing = terminal("zsh")
    typing.type("precmd() { echo $? >> prompts }; preexec() { echo $1 >> lines }")
    typing.install()
    typing.run("sh -c 'exit 4'")
    typing.run("setopt hist_ignore_space")
    typing.type(" false")
    typing.run("true")
    assert "4" in (tmp_path / "prompts").read_text().split()
    assert "true" in (tmp_path / "lines").read_text().splitlines()
    assert "false" not in [data.get("program") for data in typing.events()]
