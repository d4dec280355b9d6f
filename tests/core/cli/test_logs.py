"""`rae-auto logs`: what a daemon in the background logged, of one job or of all, followed over a rotation."""

import subprocess
import sys

import pytest
from tests.support.waiting import eventually

from rae_auto.cli.entry import run

JOBS = '[jobs.hello]\ncommand = ["true"]\n[jobs.other]\ncommand = ["true"]\n'


@pytest.fixture
def call(capsys):
    def call(*arguments):
        capsys.readouterr()
        return run(["logs", *arguments]), *capsys.readouterr()

    return call


def test_logs_shows_what_a_daemon_in_the_background_logged(daemons, call):
    daemons.serve()
    daemons.ask("trigger", job="hello")
    daemons.ask("trigger", job="other")
    eventually(lambda: call()[1].count("succeeded") == 2)
    daemons.stop()
    code, said, _ = call()
    assert (code, "rae-auto " in said, "stopped" in said) == (0, True, True)
    lines = call("hello")[1].splitlines()
    assert len(lines) == 2
    assert all(" hello: " in line for line in lines)
    assert call("--lines", "1")[1].count("\n") == 1
    assert call("-n", "0")[1] == ""


def test_logs_of_a_job_are_found_in_another_zone(daemons, call):
    daemons.write('timezone = "Asia/Kathmandu"\n' + JOBS)
    daemons.serve()
    daemons.ask("trigger", job="hello")
    eventually(lambda: call("hello")[1].count("succeeded") == 1)
    assert " +0545 INFO " in call("hello")[1]
    code, said, note = call("nope")
    assert (code, said, 'has no lines about "nope"' in note) == (0, "", True)


def test_logs_without_a_file_says_what_to_do(daemons, call):
    code, _, said = call()
    assert (code, 'doesn\'t log to a file; add "file" to loggers' in said) == (1, True)
    daemons.write('loggers = ["console"]\n' + JOBS)
    daemons.serve()
    assert call()[0] == 1


def test_logs_reads_json_and_older_parts(daemons, call):
    daemons.write('loggers = ["console", { type = "file", format = "json" }]\n' + JOBS)
    daemons.serve()
    daemons.ask("trigger", job="hello")
    eventually(lambda: "succeeded" in call("hello")[1])
    daemons.stop()
    log = daemons.state / "rae-auto.log"
    log.rename(daemons.state / "rae-auto.2026-11-28_10-00-00_000000.log")
    log.write_text("2026-11-28 12:00:00 INFO    hello: \x1b[2Jnew\n")
    lines = call("hello")[1].splitlines()
    assert len(lines) == 3
    assert lines[-1].endswith(r"hello: \x1b[2Jnew")


def test_logs_follow_goes_on_in_the_next_file(daemons):
    daemons.serve()
    log = daemons.state / "rae-auto.log"
    command = [sys.executable, "-m", "rae_auto", "logs", "--follow", "--lines", "0"]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert following.stdout is not None
    try:
        with log.open("a") as file:
            eventually(lambda: _writes(file, "before") and following.poll() is None and _has_read(following))
        assert "before" in following.stdout.readline()
        log.rename(log.with_name("rae-auto.old.log"))
        log.write_text("after\n")
        assert "after" in next(line for line in following.stdout if "before" not in line)
    finally:
        following.kill()
        following.wait()
        following.stdout.close()


def _writes(file, text):
    file.write(f"{text}\n")
    file.flush()
    return True


def _has_read(process):
    import select

    return bool(select.select([process.stdout], [], [], 0.2)[0])
