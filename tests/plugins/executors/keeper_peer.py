"""A keeper in the thread of a test, and the daemon at the other end of its channel."""

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rae_plugins.executors.process.keeper import loop, procfs
from rae_plugins.executors.process.keeper.files import records
from rae_plugins.executors.process.keeper.files.spare_files import SpareFiles

resource = pytest.importorskip("resource", reason="needs the limits of POSIX")


@pytest.fixture(autouse=True)
def isolated_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the children of other tests from the keeper, and restore signals and limits."""
    kind = getattr(resource, "RLIMIT_MSGQUEUE", resource.RLIMIT_CORE)  # which is Linux's
    handler, limit = signal.getsignal(signal.SIGCHLD), resource.getrlimit(kind)
    list_pids, read_table = procfs.list_child_pids, procfs.read_all_processes
    with subprocess.Popen(["sleep", "600"]) as bystander:
        others = set(list_pids())
        monkeypatch.setattr(procfs, "list_child_pids", lambda: [pid for pid in list_pids() if pid not in others])
        monkeypatch.setattr(
            procfs,
            "read_all_processes",
            lambda: {pid: process for pid, process in read_table().items() if pid not in others},
        )
        yield
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, handler)
        resource.setrlimit(kind, limit)
        assert bystander.poll() is None, "a keeper has ended a process of no job of its own"
        bystander.kill()


class Daemon(threading.Thread):
    """The other end of the channel: sends its requests, and reads reports until the keeper disconnects."""

    def __init__(self, channel: socket.socket, talk) -> None:
        super().__init__(daemon=True)
        self.channel, self.talk = channel, talk
        self.lines = channel.makefile("rb")
        self.reports: list[dict] = []

    def send(self, **request) -> None:
        self.channel.sendall(json.dumps(request).encode() + b"\n")

    def receive(self) -> dict:
        self.reports.append(json.loads(self.lines.readline()))
        return self.reports[-1]

    def hang_up(self) -> None:
        self.channel.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            self.talk(self)
        finally:
            self.hang_up()


@pytest.fixture
def request_for(tmp_path: Path):
    def make(key: str, shell: str, **changes):
        request = {
            "key": key,
            "argv": ["/bin/sh", "-c", shell],
            "env": {"PATH": "/usr/bin:/bin"},
            "cwd": str(tmp_path),
            "output": str(tmp_path / f"{key}.log"),
            "cap": 1000,
            "hide": [],
        }
        return {**request, **changes}

    return make


def run_keeper(talk, its_records: records.AttemptRecords | None = None, spares: SpareFiles | None = None) -> Daemon:
    """Run a keeper in this thread, until the daemon has disconnected and all jobs have ended."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        daemon = Daemon(ours, talk)
        keeper = loop.Keeper(theirs, records=its_records, spares=spares)
        daemon.start()
        keeper.run()
        daemon.join()
        daemon.lines.close()
        keeper.control.close()
    return daemon
