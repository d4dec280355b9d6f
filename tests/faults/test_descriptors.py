"""A daemon without free file descriptors."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.errors import SchedulerError

resource = pytest.importorskip("resource", reason="needs the limits of POSIX")

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")


def pid() -> int | None:
    try:
        with Client() as client:
            return int(client.call("ping")["pid"])
    except SchedulerError:
        return None


def open_files(of: int) -> int:
    return len(list(Path(f"/proc/{of}/fd").iterdir()))


def cpu_seconds(of: int) -> float:
    fields = Path(f"/proc/{of}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.requirement("R32")
def test_without_descriptors_the_daemon_answers_spins_not_and_recovers(tmp_path, monkeypatch):
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    config = tmp_path / "rae.toml"
    config.write_text('loggers = ["file"]\n[jobs.a]\ncommand = ["true"]\n')
    config.chmod(0o600)
    daemon = subprocess.Popen([sys.executable, "-m", "rae_auto", "run", "--config", str(config)])
    clients: list[socket.socket] = []
    try:
        eventually(lambda: daemon.poll() is not None or pid() == daemon.pid)
        with Client() as client:
            # All is open now that stays open, and the keeper, which inherits limits, has its own from before.
            run = client.call("trigger", job="a", request=None)["run_id"]
            eventually(lambda: client.call("history", run=run, states=["succeeded"]))
        limit = open_files(daemon.pid) + 6
        soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, hard))
        before = cpu_seconds(daemon.pid)
        for _ in range(20):
            clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            clients[-1].connect(str(tmp_path / "state" / "control.sock"))
        log = tmp_path / "state" / "rae-auto.log"
        eventually(lambda: "no file descriptors are left" in log.read_text())
        for _ in range(3):
            assert eventually(pid) == daemon.pid
        assert cpu_seconds(daemon.pid) - before < 1.0
        assert log.read_text().count("\n") < 20
        for client in clients:
            client.close()
        eventually(lambda: open_files(daemon.pid) < limit - 3)
        with Client() as client:
            run = client.call("trigger", job="a", request=None)["run_id"]
            eventually(lambda: client.call("history", run=run, states=["succeeded", "failed"]))
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
            run = client.call("trigger", job="a", request=None)["run_id"]
            eventually(lambda: client.call("history", run=run, states=["succeeded"]))
    finally:
        for client in clients:
            client.close()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
