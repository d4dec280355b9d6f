"""Figures of executors whose jobs run on other machines, and the goals by which they are judged.

Used by `campaign.py --figures` of rae-executor-ssh and rae-executor-dask.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from pathlib import Path

import psutil
from tests.support.waiting import eventually

from rae_auto.api import Assignment, Executor
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_auto.paths import socket_path

GOALS = {
    "line → file": 0.5,
    "line → viewer": 0.5,
    "cancel → no process of the tree": 1.0,
}
"""Seconds within which 95 of 100 are to be, by the names of the figures."""

LINES = 60
"""Number of lines that are measured."""

LINE_SECONDS = 0.25

GRACE = timedelta(seconds=5)

TREE = "while :; do date +%s.%N; sleep 0.2; done & setsid sleep 60 & sleep 60"
"""A command with a child in a session of its own, which prints the time now and then."""

MIN_PROCESSES = 4


def judge(name: str, values: Sequence[float]) -> bool:
    """Print the median and the 95th percentile of a figure; return whether it is within its goal."""
    ordered = sorted(values)
    half, high = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
    goal = GOALS.get(name)
    wanted = "" if goal is None else f", goal {goal * 1000:.0f} ms"
    print(f"{name}: p50 {half * 1000:.0f} ms, p95 {high * 1000:.0f} ms ({len(ordered)}){wanted}", flush=True)
    return goal is None or high <= goal


def make_assignment(run: str, shell: str, place: Path) -> Assignment:
    """Return an attempt of a shell line in a folder."""
    job = Job(id="figures", shell=shell, cwd=str(place))
    output = place / f"{run}.1.log"
    return Assignment(run=RunId(run), attempt=1, job=job, environment={"RAE_RUN_ID": run}, output=output)


async def judge_attempts(executor: Executor, place: Path, count: int) -> bool:
    """Judge starts, lines of output and cancels of so many attempts, which run on this machine."""
    starts: list[float] = []
    lines: list[float] = []
    cancels: list[float] = []
    ends: list[float] = []
    for number in range(count):
        made = make_assignment(f"figures-{number}", TREE, place)
        began = time.monotonic()
        execution = await executor.start(made)
        size = await _wait_for_more(made.output, 0)
        starts.append(time.monotonic() - began)
        for _ in range(4):
            size = await _wait_for_more(made.output, size)
            lines.append(time.time() - float(made.output.read_text().split()[-1]))
        tree = find_tree(made.run)
        assert len(tree) >= MIN_PROCESSES, tree
        began = time.monotonic()
        await execution.cancel(GRACE)
        while tree:
            tree = [process for process in tree if is_alive(process)]
            await asyncio.sleep(0.002)
            # Those that it began meanwhile, too.
            tree = tree or find_tree(made.run)
        cancels.append(time.monotonic() - began)
        await execution.wait()
        ends.append(time.monotonic() - began)
    figures = {
        "start → first output": starts,
        "line → file": lines,
        "cancel → no process of the tree": cancels,
        "cancel → end known": ends,
    }
    # All are printed.
    are_good = [judge(name, values) for name, values in figures.items()]
    return all(are_good)


async def _wait_for_more(output: Path, size: int) -> int:
    """Return the size of a file once that is more."""
    while (found := _read_size(output)) <= size:  # noqa: ASYNC110 - files of other processes
        await asyncio.sleep(0.002)
    return found


def _read_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def find_tree(run: str) -> list[psutil.Process]:
    """Return the living processes of a run on this machine."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RAE_RUN_ID") == run and is_alive(process):
                found.append(process)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs, and isn't just waiting to be reaped."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def judge_viewer(place: Path, executor: str, count: int = LINES) -> bool:
    """Judge the time from so many lines of output to `rae-auto output --follow`, through a daemon of its own.

    `executor` is the value of the job's key, as TOML; its command runs on this machine, whose clock counts.
    """
    config = place / "rae.toml"
    config.write_text(
        f"[jobs.lines]\nshell = 'while :; do date +%s.%N; sleep {LINE_SECONDS}; done'\nexecutor = {executor}\n"
    )
    config.chmod(0o600)
    environment = {**os.environ, "RAE_STATE_DIR": str(place / "site")}
    program = [sys.executable, "-m", "rae_auto"]

    def call(*words: str) -> bool:
        command = [*program, *words, "--config", str(config)]
        return subprocess.run(command, env=environment, capture_output=True).returncode == 0

    daemon = subprocess.Popen([*program, "run", "--config", str(config)], env=environment, stderr=subprocess.DEVNULL)
    try:
        # Not by commands alone, each of which is a process beside what it waits for.
        eventually(socket_path(place / "site").exists)
        eventually(lambda: call("trigger", "lines"))
        eventually(lambda: any(path.stat().st_size for path in (place / "site" / "output").rglob("*.log")))
        command = [*program, "output", "lines", "--follow", "--config", str(config)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as viewer:
            assert viewer.stdout is not None
            viewer.stdout.readline()
            began = time.time()
            printed_and_shown = ((float(line), time.time()) for line in viewer.stdout)
            # Those from before it shows at once.
            new = ((printed, shown) for printed, shown in printed_and_shown if printed > began)
            delays = [shown - printed for printed, shown in islice(new, count)]
            viewer.kill()
        call("cancel", "lines")
        call("stop")
        return judge("line → viewer", delays)
    finally:
        daemon.kill()
        daemon.wait()
