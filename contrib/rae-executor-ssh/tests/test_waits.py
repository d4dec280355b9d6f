"""Waits of a line of output and of a cancel: a line waits for an interval with a bound, a cancel for nothing."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attempts import until
from campaign import judge_attempts, judge_viewer
from rae_executor_ssh.remote import agent
from rae_executor_ssh.ssh_attempt import SshAttempt

from rae_auto.api import Assignment
from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.remote.host.followed_attempt import MAX_LOOK_SECONDS
from rae_plugins.executors.remote.host.run_directory import RunDirectory
from rae_plugins.executors.remote.request import build_request, build_token

LIMIT_SECONDS = 60.0
HOUR = 3600.0

PROGRAM = f"""
import sys
from rae_plugins.executors.process.keeper import termination
from rae_plugins.executors.remote.host import followed_attempt
followed_attempt.FIRST_LOOK_SECONDS = followed_attempt.MAX_LOOK_SECONDS = {HOUR}
termination.FIRST_CHECK_SECONDS = termination.MAX_CHECK_SECONDS = {HOUR}
from rae_executor_ssh.remote.agent import main
main(sys.argv[1])
"""


@pytest.mark.parametrize("seed", range(5))
def test_line_of_output_waits_for_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The clock of the agent skips its waits, and lines are printed meanwhile."""
    chance, now = random.Random(seed), 0.0
    printed_at = sorted(chance.uniform(0, 80) for _ in range(100))
    reported: list[tuple[float, int]] = []
    directory = RunDirectory(str(tmp_path / "runs"), "run.1")

    class Agent(agent.Agent):
        def report(self, message: dict[str, Any]) -> None:
            if "data" in message:
                reported.extend([(now, line) for line in range(len(reported), os.stat(directory.output).st_size // 2)])

    def wait(_: object, __: object, ___: object, timeout: float) -> tuple[list[int], list[int], list[int]]:
        nonlocal now
        with open(directory.output, "ab") as output:
            output.write(b".\n" * sum(now < at <= now + timeout for at in printed_at))
        now += timeout
        return [], [], []

    monkeypatch.setattr(agent, "select", SimpleNamespace(select=wait))
    monkeypatch.setattr(agent, "time", SimpleNamespace(monotonic=lambda: now))
    one = Agent(str(tmp_path))
    directory.create({"run": "run", "cap": 1 << 20})
    lock = directory.hold()
    one.follow(directory, "run", 0)
    one.serve()
    os.close(lock)
    assert len(reported) == len(printed_at)
    delays = [at - printed_at[line] for at, line in reported]
    assert min(delays) >= 0.0 and max(delays) <= MAX_LOOK_SECONDS + 1e-6


class Line:
    """A line that is open."""

    name = "box"
    is_open = True

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def test_cancel_is_one_message_that_waits_for_nothing(assign: Callable[..., Assignment]) -> None:
    async def play() -> list[dict[str, Any]]:
        line: Any = Line()
        attempt = SshAttempt(line, assign("sleep 1000"), {"argv": []})
        attempt.resume()
        attempt.handle_report({"alive": {}, "age": 0.1})
        line.sent.clear()
        with pytest.raises(StopIteration):
            attempt.cancel(timedelta(seconds=5)).send(None)
        return list(line.sent)

    (message,) = asyncio.run(play())
    assert (message["do"], message["grace"]) == ("end", pytest.approx(5.0, abs=1.0))


def test_cancel_reaches_each_process_at_once(tmp_path: Path, assign: Callable[..., Assignment]) -> None:
    """Each interval of the agent and the keeper is an hour here, so that events alone can end the tree."""
    made = assign("sleep 1000 & setsid sleep 1000 & sleep 1000")
    token = build_token(made)

    async def play() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            send({"do": "spawn", "token": token, "run": made.run, "request": build_request(made, "kill")})
            await until(lambda: len(find_tree(made.run)) == 4)
            send({"do": "end", "token": token, "grace": HOUR})
            await until(lambda: not find_tree(made.run))

    def send(message: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()

    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "remote")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            asyncio.run(play())
        finally:
            record = RunDirectory(str(tmp_path / "remote" / "runs"), token).start_record() or {}
            for pid in (*find_tree(made.run), *record.get("keeper", [])[:1]):
                # The keeper would end by itself, in an hour.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_figures_are_measured_in_small(
    server: Any, make_executor: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures themselves belong to the machine."""

    async def measure() -> None:
        executor = make_executor()
        await judge_attempts(executor, tmp_path, 1)
        await executor.close()

    asyncio.run(measure())
    options = f'python = "{sys.executable}", directory = "{tmp_path}/remote", config = "{server.config}"'
    judge_viewer(tmp_path, f'{{ type = "ssh", host = "box", {options} }}', 1)
    figures = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert {"line → file", "line → viewer", "cancel → no process of the tree"} < {*figures}


def find_tree(run: str) -> list[int]:
    """Return the living processes of a run."""
    processes = procfs.read_all_processes().items()
    return [pid for pid, one in processes if not one.is_dead and procfs.read_run_id(pid) == run]
