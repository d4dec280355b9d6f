"""Lines of output and cancels are passed on by events: here each interval of the keeper is an hour."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rae_executor_dask.remote.worker_keeper import read_clock

from rae_auto.api import Assignment
from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.remote.request import build_request, build_token

LIMIT_SECONDS = 60.0
HOUR = 3600.0

PROGRAM = f"""
import sys
from rae_plugins.executors.process.keeper import termination
from rae_plugins.executors.remote.host import followed_attempt
followed_attempt.FIRST_LOOK_SECONDS = followed_attempt.MAX_LOOK_SECONDS = {HOUR}
termination.FIRST_CHECK_SECONDS = termination.MAX_CHECK_SECONDS = {HOUR}
from rae_executor_dask.remote.worker_keeper import main
main(sys.argv[1], int(sys.argv[2]))
"""

SESSION = "helper"


class Keeper:
    """A keeper, whose worker is this process."""

    def __init__(self, place: Path) -> None:
        self._channel, its = socket.socketpair()
        self._channel.settimeout(LIMIT_SECONDS)
        command = [sys.executable, "-c", PROGRAM, str(place), str(os.getpid())]
        with its:
            self._process = subprocess.Popen(command, stdin=its.fileno(), start_new_session=True)
        self._lines = self._channel.makefile("rb")
        self._count = 0
        self._offset = 0
        self._send({"do": "lease", "until": read_clock() + HOUR})

    def _send(self, message: dict[str, Any]) -> int:
        self._count += 1
        self._channel.sendall(json.dumps({"id": self._count, **message}).encode() + b"\n")
        return self._count

    def _wait_for(self, number: int) -> dict[str, Any]:
        for line in self._lines:
            reply: dict[str, Any] = json.loads(line)
            if reply.get("id") == number:
                return reply
        raise AssertionError("the keeper has ended")

    def start(self, assignment: Assignment) -> None:
        """Start an attempt, and return once it is reported as alive."""
        self._token, self._run = build_token(assignment), assignment.run
        work = {"token": self._token, "run": self._run, "session": SESSION}
        number = self._send({"do": "spawn", "request": build_request(assignment, "kill"), **work})
        assert self._wait_for(number)["failed"] is None
        (report,) = self.wait_for_reports(self.ask(is_reported=False))
        assert "alive" in report

    def ask(self, *, is_reported: bool = True) -> int:
        """Ask for reports, and return once the keeper has looked and found nothing new, if it was reported."""
        attempts = {self._token: [self._run, self._offset, is_reported]}
        asked = self._send({"do": "poll", "session": SESSION, "seconds": HOUR, "attempts": attempts})
        if is_reported:
            # Polls are answered in turn.
            self._wait_for(self._send({"do": "poll", "session": "another", "seconds": 0.0, "attempts": {}}))
        return asked

    def wait_for_reports(self, asked: int) -> list[dict[str, Any]]:
        """Return the reports that answer a question."""
        reports: list[dict[str, Any]] = self._wait_for(asked)["reports"]
        self._offset += sum(len(base64.b64decode(report["data"])) for report in reports if "data" in report)
        return reports

    def cancel(self) -> None:
        """Ask for the end of the attempt."""
        self._send({"do": "end", "token": self._token, "grace": HOUR})

    def kill_guard(self) -> None:
        """Kill the process that stands between the worker and the keeper."""
        self._process.kill()

    def close(self) -> None:
        """End it, and what it keeps."""
        self._lines.close()
        self._channel.close()
        # It would end its jobs by itself, but takes an hour for that.
        for pid in find_tree(self._run):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    one = Keeper(tmp_path / "keeper")
    yield one
    one.close()


def test_line_of_output_and_end_are_reported_at_once(keeper: Keeper, assign: Callable[..., Assignment]) -> None:
    attempt = assign('mkfifo go; exec 3<> go; read line <&3; echo "$line"; read line <&3; exit 7')
    go = Path(attempt.job.cwd or "") / "go"
    keeper.start(attempt)
    asked = keeper.ask()
    go_on(go, "hello")
    (report,) = keeper.wait_for_reports(asked)
    assert report["data"] == "aGVsbG8K"
    asked = keeper.ask()
    go_on(go, "end")
    assert keeper.wait_for_reports(asked)[-1]["ended"]["exit_code"] == 7


def test_cancel_reaches_each_process_at_once(keeper: Keeper, assign: Callable[..., Assignment]) -> None:
    attempt = assign("sleep 1000 & setsid sleep 1000 & sleep 1000")
    keeper.start(attempt)
    until(lambda: len(find_tree(attempt.run)) == 4)
    keeper.cancel()
    until(lambda: not find_tree(attempt.run))


def test_jobs_end_at_once_with_the_guard_of_their_keeper(keeper: Keeper, assign: Callable[..., Assignment]) -> None:
    """The kernel tells the keeper, whose connection to the worker stays: as when the worker itself is killed."""
    attempt = assign("setsid sleep 1000 & sleep 1000")
    keeper.start(attempt)
    until(lambda: len(find_tree(attempt.run)) == 3)
    keeper.kill_guard()
    until(lambda: not find_tree(attempt.run))


def go_on(fifo: Path, text: str) -> None:
    """Have the job read a line."""
    until(fifo.exists)
    fifo.write_text(f"{text}\n")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it didn't come to pass"
        time.sleep(0.02)


def find_tree(run: str) -> list[int]:
    """Return the living processes of a run."""
    processes = procfs.read_all_processes().items()
    return [pid for pid, one in processes if not one.is_dead and procfs.read_run_id(pid) == run]
