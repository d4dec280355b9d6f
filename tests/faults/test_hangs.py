"""Stopping while something hangs: what `tests.faults.hangs`, the campaign, does not cover."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.hangs import install
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

GRACE_SECONDS = 1
MAX_STOP_SECONDS = GRACE_SECONDS + 10
SLOW_MACHINE_SECONDS = 3
"""Time that the end of a process may take on a busy machine."""

QUIET = '[jobs.quiet]\ncommand = ["true"]\n'
SLEEPER = '[jobs.job]\nshell = "echo $PPID $$ > {home}/pids; exec sleep 300"\n'


@pytest.fixture
def make(daemons: Callable[..., Daemons], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Daemons]:
    """Makes a daemon with the plugins that hang, and a short grace."""
    site = tmp_path / "site"
    install(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("RAE_TEST_HOME", str(tmp_path))
    return lambda jobs, head="": daemons(jobs, f'{head}shutdown_grace = "{GRACE_SECONDS}s"\n')


def stop_in_time(daemon: Daemons) -> int:
    """Return the exit code of a daemon after one SIGTERM; fail if it takes too long."""
    process = daemon.started[-1]
    process.send_signal(signal.SIGTERM)
    return process.wait(MAX_STOP_SECONDS + SLOW_MACHINE_SECONDS)


def read_pids(tmp_path: Path) -> tuple[int, int]:
    """Return the pids of the keeper and of the command of `SLEEPER`."""
    path = tmp_path / "pids"
    keeper, sleeper = map(int, eventually(lambda: path.exists() and path.read_text()).split())
    return keeper, sleeper


@pytest.mark.requirement("R35")
def test_hanging_python_job_delays_no_exit(make: Callable[..., Daemons], tmp_path: Path) -> None:
    daemon = make('[jobs.job]\npython = "rae_hanging:hang_in_job"\nisolated = false\nkill_after = "1s"\n')
    daemon.serve()
    daemon.ask("trigger", job="job", request=None)
    eventually((tmp_path / "hangs").exists)
    assert stop_in_time(daemon) == 0
    assert "stopped" in daemon.output()
    (run,) = daemon.history()
    assert run["state"] == "interrupted"


@pytest.mark.requirement("R35")
def test_stopped_keeper_delays_no_exit_and_the_next_ends_its_run(make: Callable[..., Daemons], tmp_path: Path) -> None:
    """The run outlives the stop that interrupts it."""
    daemon = make(SLEEPER)
    daemon.serve()
    run = daemon.ask("trigger", job="job", request=None)["run_id"]
    keeper, _ = read_pids(tmp_path)
    os.kill(keeper, signal.SIGSTOP)
    try:
        assert stop_in_time(daemon) == 0
        assert 'stopped while "job" had not ended' in daemon.output()
    finally:
        os.kill(keeper, signal.SIGCONT)
    daemon.serve()
    eventually(lambda: not daemon.ask("status")["running"])
    assert [(past["run_id"], past["state"]) for past in daemon.ask("history")] == [(run, "interrupted")]


def test_long_kill_after_outlives_the_stop_and_is_interrupted(make: Callable[..., Daemons], tmp_path: Path) -> None:
    """The command ignores SIGTERM and is killed when no daemon runs any more."""
    job = "[jobs.job]\nshell = \"trap '' TERM; echo $$ > {home}/pid; while :; do sleep 0.1; done\"\n"
    daemon = make(f'{job}kill_after = "9s"\n')
    daemon.serve()
    run = daemon.ask("trigger", job="job", request=None)["run_id"]
    pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    assert stop_in_time(daemon) == 0
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    daemon.serve()
    eventually(lambda: not daemon.ask("status")["running"])
    assert [(past["run_id"], past["state"]) for past in daemon.ask("history")] == [(run, "interrupted")]


def test_third_signal_ends_the_process_at_once(daemons: Callable[..., Daemons], tmp_path: Path) -> None:
    """The command ignores SIGTERM, and has an hour until it is killed."""
    job = '[jobs.job]\nshell = "trap \'\' TERM; echo $$ > {home}/pid; while :; do sleep 0.1; done"\nkill_after = "1h"\n'
    daemon = daemons(job, 'shutdown_grace = "1h"\n')
    process = daemon.serve()
    daemon.ask("trigger", job="job", request=None)
    pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    try:
        process.send_signal(signal.SIGTERM)
        eventually(lambda: "stopping" in daemon.output())
        process.send_signal(signal.SIGTERM)
        eventually(lambda: "stopping immediately" in daemon.output())
        process.send_signal(signal.SIGTERM)
        assert process.wait(SLOW_MACHINE_SECONDS) == 1
    finally:
        os.kill(pid, signal.SIGKILL)


def test_keeper_does_not_hold_the_output_of_its_daemon(daemons: Callable[..., Daemons], tmp_path: Path) -> None:
    """A reader of the daemon's standard error, such as `tee` or ssh, sees its end, though jobs go on."""
    daemon = daemons(SLEEPER)
    daemon.serve()
    daemon.ask("trigger", job="job", request=None)
    _, sleeper = read_pids(tmp_path)
    daemon.ask("stop", leave_running=True)
    daemon.started[-1].wait(60)
    try:
        daemon.listening[-1].join(60)
        assert not daemon.listening[-1].is_alive()
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_refused_start_leaves_the_runs_of_the_last_daemon_alone(
    daemons: Callable[..., Daemons], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket can't be bound because its path is too long; the next daemon adopts the run."""
    job = '[jobs.job]\nshell = "echo x >> {home}/started; until [ -e {home}/go ]; do sleep 0.05; done"\n'
    daemon = daemons(job + '[jobs.often]\nshell = "echo x >> {home}/often"\nschedule = "* * * * * *"\n')
    long_state = tmp_path / ("d" * 110)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    daemon.state = long_state
    monkeypatch.setenv("RAE_STATE_DIR", str(long_state))
    daemon.serve()
    run = daemon.ask("trigger", job="job", request=None)["run_id"]
    eventually((tmp_path / "started").exists)
    eventually((tmp_path / "often").exists)
    daemon.kill()
    starts = (tmp_path / "often").read_text().split()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    code, said = daemon.refused()
    assert (code, "can't create the control socket" in said) == (1, True)
    # One that the last daemon had started may have written meanwhile.
    assert len((tmp_path / "often").read_text().split()) <= len(starts) + 1
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    daemon.serve()
    assert run in [running["run_id"] for running in daemon.ask("status")["running"]]
    (tmp_path / "go").touch()


def test_removed_control_socket_is_created_again(daemons: Callable[..., Daemons]) -> None:
    daemon = daemons(QUIET)
    daemon.serve()
    (daemon.state / "control.sock").unlink()
    assert not daemon.answers()
    eventually(daemon.answers)
    eventually(lambda: "control socket had been removed" in daemon.output())
    assert daemon.stop() == 0
