"""Messages of a real daemon to its service manager over a real datagram socket, which its jobs see nothing of."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.daemon.systemd_notify import SystemdNotify

JOBS = """
[jobs.environment]
shell = "env > {home}/environment"
pass_env = ["NOTIFY_*", "WATCHDOG_*"]
"""

WATCHDOG_SECONDS = 1.0

BLOCKABLE = """
import pathlib, signal, sys, time
from rae_auto.cli.entry import run
def block(*_):
    pathlib.Path("{home}/is-blocked").touch()
    while not pathlib.Path("{home}/may-go-on").exists():
        time.sleep(0.05)
signal.signal(signal.SIGUSR1, block)
sys.exit(run(sys.argv[4:]))
"""
"""Runs the command that follows as "PYTHON -m rae_auto …"; SIGUSR1 blocks its main thread until a file is there."""


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.messages: list[dict[str, str]] = []

    def receive(self, seconds: float = 60) -> dict[str, str]:
        self.socket.settimeout(seconds)
        fields = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
        self.messages.append(fields)
        return fields

    def wait_for(self, name: str, seconds: float = 60) -> dict[str, str]:
        """Return the next message with this field; signs of life in between are kept with the others."""
        deadline = time.monotonic() + seconds
        while name not in (fields := self.receive(deadline - time.monotonic())):
            pass
        return fields

    def drain(self) -> None:
        self.socket.setblocking(False)
        while True:
            try:
                self.socket.recv(4096)
            except BlockingIOError:
                return


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract addresses")
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@rae-auto-test-{os.getpid()}")
    yield manager
    manager.socket.close()


@pytest.fixture
def serve(tmp_path: Path, manager: Manager) -> Iterator[Callable[[], Daemons]]:
    daemons = Daemons(tmp_path, JOBS, "watch_config = false\nshutdown_grace = '7s'\n")

    def start() -> Daemons:
        limit = f"WATCHDOG_USEC={int(WATCHDOG_SECONDS * 1e6)}"
        daemons.launch(
            "env", f"NOTIFY_SOCKET={manager.address}", limit, sys.executable, "-c", BLOCKABLE.format(home=tmp_path)
        )
        return daemons

    yield start
    daemons.end()


def test_daemon_reports_its_start_reload_and_stop(manager: Manager, serve: Callable[[], Daemons]) -> None:
    daemons = serve()
    assert manager.wait_for("READY")["STATUS"].startswith("1 job")
    assert daemons.answers()
    before = time.monotonic_ns() // 1000
    daemons.started[0].send_signal(signal.SIGHUP)
    assert before <= int(manager.wait_for("RELOADING")["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert manager.wait_for("READY")
    assert daemons.stop() == 0
    assert manager.wait_for("STOPPING")["EXTEND_TIMEOUT_USEC"] == "17000000"


def test_failed_reload_ends_in_ready_too(manager: Manager, serve: Callable[[], Daemons]) -> None:
    daemons = serve()
    manager.wait_for("READY")
    daemons.write("nonsense = 1")
    daemons.started[0].send_signal(signal.SIGHUP)
    assert manager.wait_for("RELOADING")
    assert manager.wait_for("READY")


def test_loop_gives_signs_of_life_until_it_is_blocked(
    manager: Manager, serve: Callable[[], Daemons], tmp_path: Path
) -> None:
    daemons = serve()
    manager.wait_for("READY")
    for _ in range(3):
        manager.wait_for("WATCHDOG")
    daemons.started[0].send_signal(signal.SIGUSR1)
    # The one that may have been sent meanwhile, and then none, although all threads but one run on.
    eventually((tmp_path / "is-blocked").exists)
    manager.drain()
    with pytest.raises(TimeoutError):
        manager.wait_for("WATCHDOG", 2 * WATCHDOG_SECONDS)
    (tmp_path / "may-go-on").touch()
    assert manager.wait_for("WATCHDOG")


def test_jobs_see_nothing_of_the_service_manager(
    manager: Manager, serve: Callable[[], Daemons], tmp_path: Path
) -> None:
    daemons = serve()
    manager.wait_for("READY")
    daemons.ask("trigger", job="environment")
    assert daemons.stop() == 0
    environment = (tmp_path / "environment").read_text()
    assert "RAE_RUN_ID" in environment
    assert "NOTIFY_SOCKET" not in environment
    assert "WATCHDOG" not in environment


def test_daemon_without_a_manager_sends_nothing_and_wakes_for_nothing() -> None:
    notify = SystemdNotify({"WATCHDOG_USEC": "1000000"})
    assert notify.ping_seconds is None
    notify.report_ready("ready")
    notify.ping()


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "many"}, None),
        ({}, None),
    ],
)
def test_signs_of_life_come_at_half_the_watchdogs_time(variables: dict[str, str], seconds: float | None) -> None:
    environment = {"NOTIFY_SOCKET": "/nowhere", **variables, "HOME": "/"}
    assert SystemdNotify(environment).ping_seconds == seconds
    assert environment == {"HOME": "/"}
