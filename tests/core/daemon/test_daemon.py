"""The daemon as a process of its own: signals, reloads, a second one beside it, and a violent end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable, SchedulerClosed
from rae_auto.offline.project import Project
from rae_auto.offline.queries import history

WAITER = """
[jobs.waiter]
shell = "echo x >> {home}/started; until [ -e {home}/go ]; do sleep 0.05; done; exit 7"
"""


class Home:
    """A configuration, a state directory, and the daemons that were started with them."""

    def __init__(self, path: Path, store: str) -> None:
        self.path = path
        self.head = f'store = "{store}"\nshutdown_grace = "10m"\n'
        self.started: list[subprocess.Popen[str]] = []
        self.write(WAITER)

    @property
    def config(self) -> Path:
        return self.path / "rae.toml"

    def write(self, jobs: str, head: str = "") -> None:
        self.config.write_text(head + self.head + jobs.replace("{home}", str(self.path)))
        self.config.chmod(0o600)

    def launch(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "rae_auto", "run", "--config", str(self.config), *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def serve(self, *options: str) -> subprocess.Popen[str]:
        """A daemon that answers."""
        process = self.launch(*options)
        eventually(lambda: process.poll() is not None or self.pid() == process.pid)
        assert process.poll() is None, process.communicate()[1]
        return process

    def pid(self) -> int | None:
        try:
            return int(self.ask("ping")["pid"])
        except DaemonUnreachable:
            return None

    def ask(self, command: str, **arguments: Any) -> Any:
        with Client() as client:
            return client.call(command, **arguments)

    def start_waiter(self) -> str:
        """Its run, once its command has started."""
        run = str(self.ask("trigger", job="waiter", request=None)["run_id"])
        eventually((self.path / "started").exists)
        return run

    def past(self) -> list[tuple[str, str, int | None]]:
        return [(run["run_id"], run["state"], run["exit_code"]) for run in history(Project.load(self.config), {})]


@pytest.fixture(params=["sqlite", "json"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    home = Home(tmp_path, request.param)
    yield home
    (tmp_path / "go").touch()
    for process in home.started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_leaves_running_jobs_their_grace(home, number):
    daemon = home.serve()
    run = home.start_waiter()
    daemon.send_signal(number)
    eventually(lambda: home.ask("status")["state"] == "stopping")
    (home.path / "go").touch()
    assert daemon.wait(60) == 0
    assert home.past() == [(run, "failed", 7)]


def test_stop_says_what_it_waits_for(home):
    daemon = home.serve()
    home.start_waiter()
    command = [sys.executable, "-m", "rae_auto", "stop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as stopping:
        waits = 'waiting up to 10 min for "waiter"'
        assert stopping.stderr.readline() == f"{waits}; press Ctrl-C to end it now\n"
        with pytest.raises(SchedulerClosed, match="nothing more starts, because a stop was requested"):
            home.ask("trigger", job="waiter", request=None)
        (home.path / "go").touch()
        assert (stopping.wait(60), stopping.stderr.read()) == (0, "")
        assert stopping.stdout.read() == 'stopped: "waiter" failed\n'
    assert f" stopping: {waits}\n" in daemon.communicate(timeout=60)[1]
    assert daemon.returncode == 0


def test_a_second_signal_ends_the_grace(home):
    daemon = home.serve()
    run = home.start_waiter()
    daemon.send_signal(signal.SIGTERM)
    eventually(lambda: home.ask("status")["state"] == "stopping")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    ((past, state, _),) = home.past()
    assert past == run
    assert state not in ("running", "succeeded")


@pytest.mark.requirement("R38")
def test_reload_is_all_or_nothing(home):
    daemon = home.serve()
    home.write('[jobs.new]\ncommand = ["true"]\n[jobs.bad]\ncolour = 1\n')
    daemon.send_signal(signal.SIGHUP)
    # The file is found broken, and so is the reload.
    problems = eventually(lambda: home.ask("status")["problems"])
    assert all("colour" in problem for problem in problems)
    assert "colour" in next(iter(eventually(lambda: home.ask("status")["problem_times"])))
    assert [job["id"] for job in home.ask("list")] == ["waiter"]
    home.write('[jobs.new]\ncommand = ["true"]\n')
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: [job["id"] for job in home.ask("list")] == ["new"])
    eventually(lambda: home.ask("status")["problems"] == [])


def test_reload_sends_the_new_zone_to_subscribers(home):
    home.serve()
    with Client() as client:
        client.subscribe()
        home.write(WAITER, 'timezone = "Asia/Tokyo"\n')
        home.ask("reload")
        events = iter(lambda: client.read_event(60), None)
        found = next(event for event in events if event["kind"] == "configuration")
    assert found == {"kind": "configuration", "change": "reloaded", "timezone": "Asia/Tokyo"}
    assert home.ask("ping")["timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize(("before", "goes_on"), [("", False), ("trap '' HUP; ", True)], ids=["plain", "nohup"])
def test_closing_the_terminal_stops_the_daemon(home, before, goes_on):
    run = f"{before}exec {sys.executable} -m rae_auto run --config {home.config}"
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", run])
    try:
        eventually(lambda: home.pid() == pid)
        home.write('[jobs.new]\ncommand = ["true"]\n')
        os.kill(pid, signal.SIGHUP)
        eventually(lambda: [job["id"] for job in home.ask("list")] == ["new"])
    finally:
        os.close(terminal)
    if goes_on:
        os.kill(pid, signal.SIGHUP)
        assert home.pid() == pid
        os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: os.waitpid(pid, os.WNOHANG)[0]) == pid


@pytest.mark.parametrize(("head", "options"), [("enabled = false\n", []), ("", ["--paused"])])
def test_disabled_jobs_start_by_hand_only(home, head, options):
    home.write('[jobs.often]\ncommand = ["true"]\nschedule = "* * * * * *"\n', head)
    home.serve(*options)
    assert not home.ask("status")["enabled"]
    # Two instants of the schedule go by.
    seen = time.time()
    eventually(lambda: time.time() > seen + 2)
    run = home.ask("trigger", job="often", request=None)["run_id"]
    eventually(lambda: home.ask("history", run=run, states=["succeeded"]))
    assert [past["run_id"] for past in home.ask("history")] == [run]


@pytest.mark.requirement("R24")
def test_second_daemon_is_refused_with_the_pid_of_the_first(home):
    first = home.serve()
    second = home.launch()
    said = second.communicate(timeout=60)[1]
    assert second.returncode == 1
    assert f"in use by process {first.pid}" in said
    assert said.count("\n") == 1
    assert home.pid() == first.pid


@pytest.mark.requirement("R24")
def test_a_daemon_of_another_file_is_refused_with_that_file(home):
    first = home.serve()
    other = home.path / "other.toml"
    other.write_text(home.config.read_text())
    command = [sys.executable, "-m", "rae_auto", "run", "--config", str(other)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert f"is in use by the daemon of {home.config} (process {first.pid}); give {other} a directory" in refused.stderr


@pytest.mark.requirement("R24")
def test_socket_of_a_killed_daemon_is_replaced(home):
    first = home.serve()
    first.kill()
    first.wait()
    assert (Path(os.environ["RAE_STATE_DIR"]) / "control.sock").exists()
    assert home.serve().pid != first.pid


@pytest.mark.requirement("R7")
def test_run_survives_a_killed_daemon_and_its_end_is_recorded(home):
    first = home.serve()
    run = home.start_waiter()
    first.kill()
    first.wait()
    second = home.serve()
    assert [running["run_id"] for running in home.ask("status")["running"]] == [run]
    (home.path / "go").touch()
    eventually(lambda: not home.ask("status")["running"])
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert home.past() == [(run, "failed", 7)]
    assert (home.path / "started").read_text() == "x\n"


def test_plugins_can_run_commands_of_their_own(home):
    home.write(
        """
[notifiers.note]
type = "command"
command = ["sh", "-c", "cat > {home}/told.new && mv {home}/told.new {home}/told"]

[jobs.fails]
command = ["false"]
notify = { on = ["failure"], via = ["note"] }
"""
    )
    home.serve()
    home.ask("trigger", job="fails", request=None)
    eventually((home.path / "told").exists)
    assert '"state": "failed"' in (home.path / "told").read_text()
