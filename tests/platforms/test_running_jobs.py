"""The contract of a keeper: real jobs through its protocol, on this platform and on Windows by a stand-in."""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.kernel32_stand_in import Kernel32StandIn
from tests.support.waiting import eventually

from rae_plugins.executors.process.keeper.loop import Keeper
from rae_plugins.executors.process.keeper.windows.control import WindowsControl
from rae_plugins.executors.process.keeper.windows.kernel32 import Kernel32
from rae_plugins.executors.process.keeper_start import start_keeper

IS_WINE = os.name == "nt" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")  # type: ignore[attr-defined, unused-ignore]
SLEEP = "import time; time.sleep(300)"
SPAWN_CHILD = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True)"
ON_REQUEST = """
import os, signal, sys, time
def leave(*_):
    os.write(1, b"asked\\n")
    sys.exit(9)
signal.signal(getattr(signal, "SIGBREAK", signal.SIGTERM), leave)
os.write(1, b"ready\\n")
while True:
    time.sleep(0.05)
"""


class KeeperPeer:
    """A daemon's end of a keeper's channel."""

    def __init__(self, channel: socket.socket, directory: Path) -> None:
        self.channel, self.directory = channel, directory
        self.lines = channel.makefile("rb")

    def send(self, **request: Any) -> None:
        self.channel.sendall(json.dumps(request).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        return json.loads(self.lines.readline())

    def start(self, key: str, code: str, **changes: Any) -> dict[str, Any]:
        """Have Python run some code as a job, and return the report."""
        request = {
            "key": key,
            "argv": [sys.executable, "-c", code],
            "env": {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            "cwd": str(self.directory),
            "output": str(self.path(key)),
            "cap": 100_000,
            "hide": [],
        }
        self.send(**{**request, **changes})
        return self.receive()

    def path(self, key: str) -> Path:
        return self.directory / f"{key}.log"

    def output(self, key: str) -> str:
        return self.path(key).read_text() if self.path(key).exists() else ""

    def wait_for_output(self, key: str) -> str:
        """Return what a job has printed, once that is something."""
        eventually(lambda: self.output(key).strip())
        return self.output(key).strip()

    def hang_up(self) -> None:
        self.lines.close()
        self.channel.close()


PLATFORMS = ["this platform"] if os.name == "nt" else ["this platform", "Windows by a stand-in"]


@pytest.fixture(params=PLATFORMS)
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeeperPeer]:
    """A keeper at work: its own process on this platform, or a thread over a stand-in of kernel32.dll."""
    ours, theirs = socket.socketpair()
    peer = KeeperPeer(ours, tmp_path)
    if request.param == "this platform":
        process = start_keeper(theirs, tmp_path)
        if process.stdout is not None:
            process.stdout.read(1)
            process.stdout.close()
        theirs.close()
        yield peer
        peer.hang_up()
        process.wait(30)
        return
    stand_in = Kernel32StandIn()
    control = WindowsControl(Kernel32(stand_in), stand_in.create_suspended)
    thread = threading.Thread(target=Keeper(theirs, control).run)
    thread.start()
    yield peer
    peer.hang_up()
    thread.join(30)
    control.close()
    theirs.close()


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return not psutil.pid_exists(pid)


def test_keeper_keeps_output_and_exit_code(keeper: KeeperPeer) -> None:
    started = keeper.start("a", "import sys; print('hello'); sys.exit(7)")
    ended = keeper.receive()
    assert (started["started"], ended["ended"], ended["exit"]["exit_code"]) == ("a", "a", 7)
    assert (ended["exit"]["signal"], ended["exit"]["error"]) == (None, None)
    assert keeper.output("a").split() == ["hello"]
    # This end is never confirmed, so it is recorded some time later.
    eventually((keeper.directory / "a.exit").exists)
    assert json.loads((keeper.directory / "a.exit").read_text()) == ended["exit"]


def test_keeper_gives_a_job_its_input_and_directory(keeper: KeeperPeer) -> None:
    keeper.start("a", "import os, sys; print(sys.stdin.read(), os.getcwd())", stdin="some text")
    keeper.receive()
    text, directory = keeper.output("a").strip().split("text ")
    assert (text, Path(directory).name) == ("some ", keeper.directory.name)


def test_keeper_without_input_gives_an_empty_one(keeper: KeeperPeer) -> None:
    keeper.start("a", "import sys; print(repr(sys.stdin.read()))")
    keeper.receive()
    assert keeper.output("a").split() == ["''"]


def test_keeper_reports_the_first_line_of_standard_error(keeper: KeeperPeer) -> None:
    keeper.start("a", "import sys; sys.stdout.write('out\\n'); sys.stderr.write('warning\\n')", watches_stderr=True)
    assert keeper.receive()["exit"]["stderr"] == "warning"
    assert sorted(keeper.output("a").split()) == ["out", "warning"]


def test_keeper_masks_secrets_and_caps_output(keeper: KeeperPeer) -> None:
    keeper.start("a", "print('one secret-word'); print('x' * 5000); print('end')", hide=["secret-word"], cap=400)
    keeper.receive()
    assert keeper.output("a").startswith("one ***")
    assert keeper.output("a").strip().endswith("end")
    assert "bytes omitted" in keeper.output("a")


@pytest.mark.skipif(IS_WINE, reason="Wine's consoles without a window take no Ctrl-Break")
def test_keeper_asks_a_job_to_end_before_it_kills(keeper: KeeperPeer) -> None:
    keeper.start("a", ON_REQUEST)
    keeper.wait_for_output("a")
    keeper.send(end="a", grace=20)
    assert keeper.receive()["exit"]["exit_code"] == 9
    assert keeper.output("a").split() == ["ready", "asked"]


@pytest.mark.requirement("R28")
def test_keeper_ends_the_whole_tree_after_the_grace(keeper: KeeperPeer) -> None:
    pid = keeper.start("a", f"{SPAWN_CHILD}; {SLEEP}")["pid"]
    child = int(keeper.wait_for_output("a"))
    keeper.send(end="a", grace=0.2)
    record = keeper.receive()["exit"]
    assert record["error"] is None
    assert record["exit_code"] != 0
    assert (is_gone(pid), is_gone(child)) == (True, True)


@pytest.mark.requirement("R28")
def test_keeper_ends_what_a_job_leaves_behind(keeper: KeeperPeer) -> None:
    keeper.start("a", SPAWN_CHILD, kill_after=0.2)
    record = keeper.receive()["exit"]
    assert record["exit_code"] == 0
    assert record["remark"].startswith("ended 1 process left behind: ")
    assert is_gone(int(keeper.output("a")))


def test_keeper_lets_a_service_stay(keeper: KeeperPeer) -> None:
    keeper.start("a", SPAWN_CHILD, orphans="allow")
    assert (keeper.receive()["exit"]["exit_code"], keeper.output("a").strip().isdigit()) == (0, True)
    service = int(keeper.output("a"))
    assert not is_gone(service)
    os.kill(service, getattr(signal, "SIGKILL", signal.SIGTERM))


@pytest.mark.requirement("R5")
def test_keeper_finishes_its_work_without_a_daemon(keeper: KeeperPeer) -> None:
    code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nraise SystemExit(4)"
    keeper.start("a", code)
    keeper.hang_up()
    (keeper.directory / "go").touch()
    eventually((keeper.directory / "a.exit").exists)
    eventually(lambda: read_exit_code(keeper.directory / "a.exit") == 4)


def read_exit_code(path: Path) -> int | None:
    try:
        return json.loads(path.read_text())["exit_code"]
    except (OSError, ValueError):
        return None


@pytest.mark.requirement("R4")
def test_keeper_starts_no_attempt_that_another_has_claimed(keeper: KeeperPeer) -> None:
    keeper.path("a").touch()
    assert keeper.start("a", "print('twice')")["failed"] == "a"
    assert keeper.output("a") == ""


def test_keeper_runs_jobs_side_by_side(keeper: KeeperPeer) -> None:
    keys = [f"job-{number}" for number in range(5)]
    for key in keys:
        keeper.send(
            key=key, argv=[sys.executable, "-c", f"print({key!r})"], env=dict(os.environ), cwd=str(keeper.directory),
            output=str(keeper.path(key)), cap=1000, hide=[],
        )  # fmt: skip
    for _ in range(2 * len(keys)):
        keeper.receive()
    assert [keeper.output(key).strip() for key in keys] == keys
