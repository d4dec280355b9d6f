"""The keeper, driven by its protocol: its reports, its files, and its exit."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from tests.plugins.executors.keeper_peer import Daemon, isolated_process, request_for, run_keeper
from tests.support.waiting import eventually

from rae_plugins.executors.process.keeper import ownership, procfs, spawn, termination
from rae_plugins.executors.process.keeper.files import records
from rae_plugins.executors.process.keeper_start import KEEPER_SCRIPT

resource = pytest.importorskip("resource", reason="needs the limits of POSIX")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

__all__ = ["isolated_process", "request_for"]


def test_keeper_reports_start_and_end_of_a_job(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("a", "echo hello; exit 3"))
        daemon.receive()
        daemon.receive()

    started, ended = run_keeper(talk).reports
    assert (started["started"], ended["ended"]) == ("a", "a")
    assert (ended["exit"]["exit_code"], ended["exit"]["signal"]) == (3, None)
    assert started["spawned"][0] == ended["exit"]["started_at"] <= ended["exit"]["ended_at"]
    assert json.loads((tmp_path / "a.exit").read_text()) == ended["exit"]
    assert json.loads((tmp_path / "a.start").read_text())["pid"] == started["pid"]
    assert (tmp_path / "a.log").read_text() == "hello\n"


def test_many_requests_at_once_are_all_carried_out(request_for):
    def talk(daemon):
        lines = [json.dumps(request_for(f"job-{number}", f"exit {number}")) for number in range(40)]
        daemon.channel.sendall("".join(line + "\n" for line in lines).encode())
        while sum("ended" in report for report in daemon.reports) < 40:
            daemon.receive()

    reports = run_keeper(talk).reports
    started = [report["started"] for report in reports if "started" in report]
    codes = {report["ended"]: report["exit"]["exit_code"] for report in reports if "ended" in report}
    assert started == [f"job-{number}" for number in range(40)]
    assert codes == {f"job-{number}": number for number in range(40)}


def test_records_are_written_when_the_daemon_goes(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("quiet", "exit 3"))
        daemon.send(**request_for("running", f"until test -e {tmp_path}/go; do sleep 0.05; done; exit 4"))
        while not any("ended" in report for report in daemon.reports):
            daemon.receive()
        daemon.hang_up()
        eventually((tmp_path / "running.start").exists)
        assert json.loads((tmp_path / "quiet.exit").read_text())["exit_code"] == 3
        assert not (tmp_path / "quiet.log").exists()
        (tmp_path / "go").touch()

    run_keeper(talk, records.DeferredRecords())
    assert json.loads((tmp_path / "running.exit").read_text())["exit_code"] == 4


def test_records_are_written_for_long_jobs_and_unconfirmed_ends(tmp_path, request_for, monkeypatch):
    monkeypatch.setattr(records, "DEFERRAL_SECONDS", 0.05)

    def talk(daemon):
        daemon.send(**request_for("a", f"until test -e {tmp_path}/go; do sleep 0.05; done; exit 4"))
        pid = daemon.receive()["pid"]
        eventually((tmp_path / "a.start").exists)
        assert json.loads((tmp_path / "a.start").read_text())["pid"] == pid
        (tmp_path / "go").touch()
        eventually((tmp_path / "a.exit").exists)

    run_keeper(talk, records.DeferredRecords())
    assert json.loads((tmp_path / "a.exit").read_text())["exit_code"] == 4


def test_keeper_reports_why_a_job_cannot_start(tmp_path, request_for):
    (tmp_path / "taken.log").touch()

    def talk(daemon):
        daemon.send(**request_for("a", "", argv=["no-such-program"]))
        daemon.send(**request_for("taken", "true"))
        daemon.send(**request_for("b", "", argv=["nul\0"]))
        daemon.receive(), daemon.receive(), daemon.receive()

    missing, taken, nul = (report["error"] for report in run_keeper(talk).reports)
    assert 'program "no-such-program" not found' in missing
    assert "File exists" in taken
    assert "embedded null byte" in nul


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
@pytest.mark.requirement("R31")
def test_keeper_reports_a_failed_fork_and_goes_on(request_for, monkeypatch, number):
    def no_room(*_, **__):
        raise OSError(number, os.strerror(number))

    def talk(daemon):
        with monkeypatch.context() as patch:
            patch.setattr(spawn.subprocess, "Popen", no_room)
            patch.setattr(os, "posix_spawn", no_room)
            daemon.send(**request_for("a", "true"))
            daemon.receive()
        daemon.send(**request_for("b", "exit 4"))
        daemon.receive(), daemon.receive()

    failed, _, ended = run_keeper(talk).reports
    assert failed == {"failed": "a", "error": f'program "/bin/sh" cannot be started: {os.strerror(number)}'}
    assert ended["exit"]["exit_code"] == 4


@pytest.mark.requirement("R28")
def test_keeper_names_processes_that_survive_sigkill(request_for, monkeypatch):
    """As a process of another user would."""
    monkeypatch.setattr(termination, "KILL_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(termination, "send_signal", lambda *_: False)

    def talk(daemon):
        daemon.send(**request_for("a", "exec sleep 300"))
        pids.append(daemon.receive()["pid"])
        daemon.send(end="a", grace=0)
        daemon.receive()

    pids: list[int] = []
    record = run_keeper(talk).reports[-1]["exit"]
    signal.set_wakeup_fd(-1)
    os.kill(pids[0], signal.SIGKILL)
    os.waitpid(pids[0], 0)
    assert (record["exit_code"], record["signal"]) == (None, None)
    assert record["error"].startswith("1 process survived SIGKILL: s")
    assert f"(pid {pids[0]})" in record["error"]


@pytest.mark.requirement("R5")
def test_keeper_outlives_the_daemon_until_its_last_job_ends(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("a", "until [ -e go ]; do sleep 0.02; done; echo late; exit 4"))
        daemon.receive()
        # Released by a timer, because from here on this thread can't do it.
        threading.Timer(0.1, (tmp_path / "go").touch).start()

    run_keeper(talk)
    assert json.loads((tmp_path / "a.exit").read_text())["exit_code"] == 4
    assert (tmp_path / "a.log").read_text() == "late\n"


def test_keeper_keeps_head_and_tail_of_a_flood(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("a", "echo begin; seq 100000; echo end", cap=100))
        daemon.receive(), daemon.receive()

    run_keeper(talk)
    output = (tmp_path / "a.log").read_text()
    assert output.startswith("begin\n1\n2\n")
    assert output.endswith("\n100000\nend\n")
    assert "bytes omitted]" in output


def test_keeper_with_a_cap_of_zero_keeps_no_output(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("a", "seq 1000", cap=0))
        daemon.receive(), daemon.receive()

    run_keeper(talk)
    assert (tmp_path / "a.log").read_text() == "\n[rae-auto: 3893 bytes omitted]\n"


def test_keeper_masks_secrets_that_span_two_chunks(tmp_path, request_for):
    script = "printf 'one secr'; sleep 0.1; printf 'et-word, '; sleep 0.1; printf 'secr'"

    def talk(daemon):
        daemon.send(**request_for("a", script, hide=["secret-word"]))
        daemon.receive(), daemon.receive()

    run_keeper(talk)
    assert (tmp_path / "a.log").read_text() == "one ***, secr"


@pytest.mark.requirement("R29")
def test_keeper_does_not_wait_for_a_grandchild_with_the_pipe(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("a", "sleep 300 & echo $!", orphans="allow"))
        daemon.receive(), daemon.receive()

    assert run_keeper(talk).reports[1]["exit"]["exit_code"] == 0
    os.kill(int((tmp_path / "a.log").read_text()), signal.SIGKILL)


def test_keeper_reports_a_signal(request_for):
    def talk(daemon):
        daemon.send(**request_for("a", "kill -9 $$"))
        daemon.receive(), daemon.receive()

    assert (run_keeper(talk).reports[1]["exit"]["signal"], run_keeper(lambda _: None).reports) == (9, [])


def test_keeper_separates_jobs_that_run_at_once(tmp_path, request_for):
    keys = [f"job-{number}" for number in range(20)]

    def talk(daemon):
        for key in keys:
            daemon.send(**request_for(key, f"echo {key}"))
        for _ in range(2 * len(keys)):
            daemon.receive()

    run_keeper(talk)
    assert [(tmp_path / f"{key}.log").read_text() for key in keys] == [f"{key}\n" for key in keys]


def test_procfs_returns_none_for_a_missing_process():
    gone = 2**22 + 1
    assert (procfs.read_process(gone), procfs.read_tag(gone), procfs.read_run_id(gone)) == (None, None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the subreaper of Linux")
def test_keeper_script_adopts_orphans_and_exits_when_idle(tmp_path, request_for):
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        subprocess.Popen([sys.executable, "-I", "-S", str(KEEPER_SCRIPT)], stdin=theirs.fileno()) as script,
    ):
        theirs.close()
        daemon = Daemon(ours, None)
        daemon.send(**request_for("a", "(sh -c 'echo $PPID > first; sleep 0.3; echo $PPID > then' &)", orphans="allow"))
        assert daemon.receive()["started"] == "a"
        eventually(lambda: (tmp_path / "then").exists() and (tmp_path / "then").read_text().strip())
        assert int((tmp_path / "then").read_text()) in (script.pid, int((tmp_path / "first").read_text()))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            script.send_signal(number)
        daemon.lines.close()
        daemon.hang_up()
        assert script.wait(60) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs the tags of Linux")
@pytest.mark.requirement("R28")
def test_keeper_takes_no_service_left_running_for_a_later_job(tmp_path, request_for, monkeypatch):
    """Tags are used again after many starts, but not while a process carries one."""
    monkeypatch.setattr(ownership, "MAX_TAGS", 12)

    def talk(daemon):
        service = "setsid sleep 300 > /dev/null 2>&1 & echo $! > service"
        daemon.send(**request_for("service", service, orphans="allow"))
        daemon.receive(), daemon.receive()
        for number in range(25):
            daemon.send(**request_for(f"job{number}", "true"))
            daemon.receive(), daemon.receive()

    run_keeper(talk)
    service = int((tmp_path / "service").read_text())
    try:
        assert procfs.is_alive(service)
    finally:
        os.kill(service, signal.SIGKILL)


def test_keeper_syncs_exit_records_only_without_a_daemon(tmp_path, request_for, monkeypatch):
    synced: list[int] = []
    monkeypatch.setattr(records.os, "fsync", synced.append)
    while_connected: list[int] = []

    def talk(daemon):
        daemon.send(**request_for("a", "true"))
        daemon.receive(), daemon.receive()
        while_connected.extend(synced)
        daemon.send(**request_for("b", "until [ -e go ]; do sleep 0.05; done"))
        daemon.receive()
        daemon.hang_up()
        # The record of "a" and its directory.
        eventually(lambda: len(synced) == 2)
        (tmp_path / "go").touch()

    run_keeper(talk)
    assert while_connected == []
    assert len(synced) == 4


@pytest.mark.parametrize(
    ("prepare", "changes", "expected"),
    [
        (None, {"output": "missing/output/job/a.log"}, '/missing/output/job" is missing'),
        (None, {"output": "script/a.log"}, "the output file cannot be created: Not a directory"),
        (None, {"cwd": "script"}, 'script" cannot be entered: Not a directory'),
        (None, {"cwd": "missing"}, 'missing" does not exist; create it'),
        (0o700, {"argv": ["./script"]}, '/script" names "/no/such/interpreter", which does not exist; correct'),
        (0o700, {"argv": ["./windows"]}, '/windows" end with CR LF, as on Windows; run \'sed -i "s/\\r$//" /'),
        (0o700, {"argv": ["./windows_env"]}, '/windows_env" end with CR LF, as on Windows; run \'sed -i "s/\\r$//" /'),
        (0o700, {"argv": ["./needs"]}, '/needs" needs "no-such-program", which is not on the PATH of the job; install'),
        (0o600, {"argv": ["./script"]}, "is not executable; run 'chmod +x' on it"),
        (0o600, {"argv": ["./directory"]}, '"./directory" is a directory'),
        (0o600, {"argv": ["no-such-program"]}, 'program "no-such-program" not found on the PATH'),
    ],
)
def test_keeper_names_what_failed_at_a_start(tmp_path, request_for, prepare, changes, expected):
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "windows").write_bytes(b"#!/bin/sh\r\necho hi\r\n")
    (tmp_path / "windows_env").write_bytes(b"#!/usr/bin/env sh\r\necho hi\r\n")
    (tmp_path / "needs").write_text("#!/usr/bin/env no-such-program\n")
    for name in ("script", "windows", "windows_env", "needs"):
        (tmp_path / name).chmod(prepare or 0o600)
    (tmp_path / "directory").mkdir()
    paths = {name: str(tmp_path / value) for name, value in changes.items() if name != "argv"}

    def talk(daemon):
        daemon.send(**{**request_for("a", "true"), **changes, **paths})
        daemon.receive()

    (report,) = run_keeper(talk).reports
    assert expected in report["error"]
