"""The agent on a host that has no room: one attempt ends with the cause, the others and their line go on."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rae_plugins.executors.process.keeper import procfs

PROGRAM = """
import os, resource, sys
agent, fork, count = os.getpid(), os.fork, 0
def limited_fork():
    global count
    count += os.getpid() == agent
    if count == 2 and sys.argv[3] == ("agent" if os.getpid() == agent else "child"):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = limited_fork
if sys.argv[2]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
from rae_executor_ssh.remote.agent import main
main(sys.argv[1])
"""

SECRET = "s3cret" * 50_000


class Line:
    """The line to an agent, whose machine may refuse long files, and a fork of the second attempt."""

    def __init__(self, base: Path, max_file_bytes: str = "", refused: str = "") -> None:
        command = [sys.executable, "-c", PROGRAM, str(base), max_file_bytes, refused]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.wait_for("hello")

    def send(self, do: str, token: str = "", **content: Any) -> None:
        """Send a request; the run is named by the token."""
        message = {"do": do, "token": token, "run": token.partition(".")[0], **content}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def spawn(self, token: str, shell: str, secret: str = "") -> None:
        """Ask for the start of a shell line, with a secret file if there is a text for it."""
        files = {"TOKEN": base64.b64encode(secret.encode()).decode()} if secret else {}
        request = {"run": token.partition(".")[0], "argv": ["/bin/sh", "-c", shell], "env": {}, "files": files}
        plain = {"cwd": None, "stdin": None, "umask": None, "cap": 1 << 20, "hide": [], "watches_stderr": False}
        request |= {**plain, "limits": {}, "orphans": "kill", "kill_after": 1.0, "timeout": None}
        self.send("spawn", token, request=request)

    def wait_for(self, *kinds: str) -> dict[str, Any]:
        """Return the next report of one of these kinds."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report: dict[str, Any] = json.loads(line)
            if any(kind in report for kind in kinds):
                return report
        raise AssertionError("the agent has ended")

    def close(self) -> None:
        assert self._process.stdin is not None
        with self._process:
            self._process.stdin.close()


@pytest.fixture
def open_line(tmp_path: Path) -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def open_one(**options: str) -> Line:
        lines.append(Line(tmp_path, **options))
        return lines[-1]

    yield open_one
    # Jobs of a test that has failed end, too.
    (tmp_path / "go").touch()
    for line in lines:
        line.close()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_file_bytes": "65536"}, "File too large"),
        ({"refused": "agent"}, "Resource temporarily unavailable; the account has too many processes"),
        ({"refused": "child"}, "Resource temporarily unavailable; the account has too many processes"),
    ],
)
def test_attempt_without_room_is_told_and_harms_no_other(
    open_line: Callable[..., Line], tmp_path: Path, options: dict[str, str], problem: str
) -> None:
    line = open_line(**options)
    line.spawn("first.1", f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; exit 7")
    assert line.wait_for("alive")["token"] == "first.1"
    line.spawn("second.1", "true", SECRET)
    report = line.wait_for("failed")
    assert report["token"] == "second.1" and problem in report["failed"]
    (tmp_path / "go").touch()
    assert line.wait_for("ended")["ended"]["exit_code"] == 7
    assert find_secrets(tmp_path) == []
    line.spawn("second.1", "true")
    assert line.wait_for("never")["token"] == "second.1"


def test_state_that_no_file_can_show_harms_no_other(open_line: Callable[..., Line], tmp_path: Path) -> None:
    """A full disk: an attempt that has no directory can't get one, so whether it starts is open."""
    line = open_line()
    line.spawn("first.1", f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; exit 7")
    line.wait_for("alive")
    # Its folder can't be made, because the name is too long: permissions would not keep root from that.
    line.send("follow", "a" * 300, offset=0)
    line.send("ping")
    line.wait_for("pong")
    (tmp_path / "go").touch()
    assert line.wait_for("ended")["ended"]["exit_code"] == 7


def test_secrets_go_with_a_killed_keeper(open_line: Callable[..., Line], tmp_path: Path) -> None:
    line = open_line()
    line.spawn("first.1", "sleep 1000", SECRET)
    line.wait_for("alive")
    assert len(find_secrets(tmp_path)) == 1
    kill_keeper(tmp_path, "first.1")
    line.wait_for("lost")
    assert find_secrets(tmp_path) == []


@pytest.mark.parametrize("age_seconds", [0, 3600])
def test_secrets_of_a_daemon_that_never_comes_back_go(
    open_line: Callable[..., Line], tmp_path: Path, age_seconds: int
) -> None:
    """An agent removes them, but not those of a start that may be under way."""
    first = open_line()
    first.spawn("first.1", "sleep 1000", SECRET)
    first.wait_for("alive")
    first.close()
    kill_keeper(tmp_path, "first.1")
    private = tmp_path / "runs" / "first.1" / "private"
    at = private.stat().st_mtime - age_seconds
    os.utime(private, (at, at))
    second = open_line()
    second.send("ping")
    second.wait_for("pong")
    assert len(find_secrets(tmp_path)) == (0 if age_seconds else 1)
    second.send("done", "first.1")
    second.send("ping")
    second.wait_for("pong")
    assert find_secrets(tmp_path) == []


def find_secrets(base: Path) -> list[Path]:
    return list(base.glob("runs/*/private/*"))


def kill_keeper(base: Path, token: str) -> None:
    """Kill the keeper of an attempt, and its job; return when the keeper has ended."""
    record = json.loads((base / "runs" / token / "out.start").read_text())
    for pid in (record["keeper"][0], record["pid"]):
        os.kill(pid, signal.SIGKILL)
    while (process := procfs.read_process(record["keeper"][0])) is not None and not process.is_dead:
        pass
