"""Random faults against a real sshd, and figures: `python tests/campaign.py --faults 300 --seed 1`, `--figures`.

Lines are cut, sshd is stopped and started, keepers are killed, and daemons replaced by new ones, which find the
attempts again. At the end: each attempt was spawned at most once, none is left running, and each exit status is the
true one, or unknown because its keeper was killed. Half of all attempts and more must end with their true exit status,
or too little was asked: one that never started because its line was cut shows nothing of adoption.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from loguru import logger
from rae_executor_ssh import SshExecutor, host_link

from rae_auto.api import Assignment, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result

sys.path.insert(0, str(Path(__file__).parent))
from conftest import SshServer, find_sshd

FAULTS = ("cut", "cut", "cut", "server", "keeper", "daemon", "daemon")
MIN_TRUE_SHARE = 0.5
"""Share of attempts that must end with their true exit status."""

MIN_ATTEMPTS = 30
"""Number of attempts from which on the share is judged; of fewer, one must end so."""

MAX_START_SECONDS = 5.0

GOALS = {"line → file": 0.5, "line → viewer": 0.5, "cancel → no process of the tree": 1.0}
"""Seconds within which 95 of 100 are to be, by the names of the figures; `--figures` fails otherwise."""


class Campaign:
    """One seeded sequence of attempts and faults."""

    def __init__(self, server: SshServer, place: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.server, self.place = server, place
        self.executor = self.make()
        self.wanted: dict[str, int] = {}
        self.outcomes: dict[str, Any] = {}
        self.killed: set[str] = set()
        self.harmed: set[str] = set()
        """Attempts that were under way when their line was cut or their daemon replaced."""
        self.assignments: dict[str, Assignment] = {}
        self.waiting: dict[str, asyncio.Task[Any]] = {}

    def make(self) -> SshExecutor:
        return SshExecutor(
            host="box", python=sys.executable, directory=str(self.place / "remote"), config=str(self.server.config)
        )

    async def run(self, faults: int) -> list[str]:
        """Return the violations."""
        for number in range(faults):
            while len(self.waiting) < 4:
                await self.start()
            # A connection takes longer than a fault, so most faults meet an open one and a started attempt.
            if self.random.random() < 0.8:
                await self.executor.check_readiness()
                await self.wait_for_a_start()
            await asyncio.sleep(self.random.uniform(0.0, 0.5))
            await self.inject(FAULTS[self.random.randrange(len(FAULTS))])
            self.collect()
            if number % 50 == 49:
                print(f"{number + 1} faults, {len(self.outcomes)} ends", flush=True)
        async with asyncio.timeout(60):
            while self.waiting:
                await asyncio.wait(self.waiting.values())
                self.collect()
        await self.executor.close()
        return self.check()

    async def start(self) -> None:
        number = len(self.wanted) + 1
        run = RunId(f"campaign-{number}")
        code = self.wanted[run] = self.random.randrange(1, 100)
        seconds = self.random.uniform(0.0, 3.0)
        line = f'echo "$RAE_RUN_ID" >> {self.place}/starts; echo begun; sleep {seconds:.2f}; echo last; exit {code}'
        job = Job(id="campaign", shell=line, cwd=str(self.place))
        output = self.place / f"{run}.1.log"
        assignment = Assignment(run=run, attempt=1, job=job, environment={"RAE_RUN_ID": run}, output=output)
        self.assignments[run] = assignment
        execution = await self.executor.start(assignment)
        self.waiting[run] = asyncio.create_task(execution.wait())

    async def wait_for_a_start(self) -> None:
        """Wait until an attempt is under way; for a while only, because the line may break by itself."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_START_SECONDS):
                while not self.started() & set(self.waiting):
                    self.collect()
                    await asyncio.sleep(0.05)

    def started(self) -> set[str]:
        path = self.place / "starts"
        return set(path.read_text().split()) if path.exists() else set()

    async def inject(self, fault: str) -> None:
        if fault != "keeper":
            self.harmed |= self.started() & set(self.waiting)
        if fault == "cut":
            self.server.cut()
        elif fault == "server":
            self.server.stop()
            self.server.cut()
            await asyncio.sleep(self.random.uniform(0.0, 0.5))
            self.server.start()
        elif fault == "keeper" and self.waiting:
            self.kill_keeper(self.random.choice(sorted(self.waiting)))
        elif fault == "daemon":
            await self.replace_daemon()

    def kill_keeper(self, run: str) -> None:
        record = self.place / "remote" / "runs" / f"{run}.1" / "out.start"
        with suppress(OSError, ValueError):
            pid = json.loads(record.read_text())["keeper"][0]
            self.killed.add(run)
            os.kill(pid, signal.SIGKILL)

    async def replace_daemon(self) -> None:
        for task in self.waiting.values():
            task.cancel()
        self.collect()
        await self.executor.close()
        self.executor = self.make()
        for run in [run for run in self.waiting if run not in self.outcomes]:
            self.waiting[run] = asyncio.create_task(self.find(run))

    async def find(self, run: str) -> Any:
        found = await self.executor.find(self.assignments[run], {})
        return found if found is None or isinstance(found, Result | NeverStarted) else await found.wait()

    def collect(self) -> None:
        for run, task in list(self.waiting.items()):
            if task.done() and not task.cancelled():
                self.outcomes[run] = task.result()
                del self.waiting[run]

    def true_ends(self) -> set[str]:
        """Return the attempts that ended with their exit status."""
        return {
            run for run, end in self.outcomes.items() if isinstance(end, Result) and end.exit_code == self.wanted[run]
        }

    def text(self) -> str:
        """Return what became of the attempts."""
        true = self.true_ends()
        lost = sum(outcome is None for outcome in self.outcomes.values())
        never = sum(isinstance(outcome, NeverStarted) for outcome in self.outcomes.values())
        return (
            f"{len(self.wanted)} attempts: {len(true)} ended with their true exit status, {len(true & self.harmed)} of "
            f"them after their line was cut or their daemon replaced; {lost} lost with their keepers, {never} never "
            "started"
        )

    def check(self) -> list[str]:
        path = self.place / "starts"
        starts = path.read_text().split() if path.exists() else []
        wrong = []
        share = MIN_TRUE_SHARE if len(self.wanted) >= MIN_ATTEMPTS else 0.0
        if len(self.true_ends()) < max(share * len(self.wanted), 1):
            wrong.append(f"only {len(self.true_ends())} of {len(self.wanted)} attempts ended with their exit status")
        wrong += [f"{run}: spawned {starts.count(run)} times" for run in self.wanted if starts.count(run) > 1]
        for run, code in self.wanted.items():
            outcome = self.outcomes.get(run, "nothing")
            count = starts.count(run)
            is_true = isinstance(outcome, Result) and outcome.exit_code == code and count == 1
            is_unknown = outcome is None and run in self.killed
            if not (is_true or is_unknown or (isinstance(outcome, NeverStarted) and not count)):
                wrong.append(f"{run}: {outcome}, wanted {code}, spawned {count} times")
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("RAE_RUN_ID", "").startswith("campaign-"):
                    wrong.append(f"{process.pid} is left of {process.environ()['RAE_RUN_ID']}")
        return wrong


async def measure(server: SshServer, place: Path, rounds: int) -> bool:
    """Print the figures of the README; return whether they are as good as they are to be."""
    executor = SshExecutor(host="box", python=sys.executable, directory=str(place / "fresh"), config=str(server.config))
    began = time.monotonic()
    assert await executor.check_readiness() is None
    print(f"first connection, agent shipped: {time.monotonic() - began:.2f} s")
    starts, lines, cancels, ends = [], [], [], []
    for number in range(rounds):
        line = "while :; do date +%s.%N; sleep 0.2; done & setsid sleep 60 & sleep 60"
        job = Job(id="figures", shell=line, cwd=str(place))
        run = RunId(f"figures-{number}")
        output = place / f"{run}.log"
        assignment = Assignment(run=run, attempt=1, job=job, environment={"RAE_RUN_ID": run}, output=output)
        began = time.monotonic()
        execution = await executor.start(assignment)
        while not output.exists() or not output.stat().st_size:  # noqa: ASYNC110 - files of other processes
            await asyncio.sleep(0.002)
        starts.append(time.monotonic() - began)
        size = output.stat().st_size
        for _ in range(4):
            while output.stat().st_size == size:  # noqa: ASYNC110 - files of other processes
                await asyncio.sleep(0.002)
            lines.append(time.time() - float(output.read_text().split()[-1]))
            size = output.stat().st_size
        tree = find_tree(run)
        assert len(tree) >= 4, tree
        began = time.monotonic()
        await execution.cancel(timedelta(seconds=5))
        while tree:
            tree = [process for process in tree if is_alive(process)]
            await asyncio.sleep(0.002)
            # Those that it began meanwhile, too.
            tree = tree or find_tree(run)
        cancels.append(time.monotonic() - began)
        await execution.wait()
        ends.append(time.monotonic() - began)
    keeper = _rss_of_keeper(await _start_sleeper(executor, place))
    figures = {
        "start → first output": starts,
        "line → file": lines,
        "cancel → no process of the tree": cancels,
        "cancel → end known": ends,
    }
    are_good = [judge(name, values) for name, values in figures.items()]
    print(f"keeper: {keeper[0] >> 20} MB resident, {keeper[1] >> 20} MB of its own")
    await executor.close()
    return all(are_good)


def judge(name: str, values: list[float]) -> bool:
    """Print a figure; return whether it is within its goal."""
    values.sort()
    half, high = values[len(values) // 2], values[int(len(values) * 0.95)]
    goal = GOALS.get(name)
    wanted = "" if goal is None else f", goal {goal * 1000:.0f} ms"
    print(f"{name}: p50 {half * 1000:.0f} ms, p95 {high * 1000:.0f} ms ({len(values)}){wanted}")
    return goal is None or high <= goal


def find_tree(run: str) -> list[psutil.Process]:
    """Return the living processes of a run on this machine, which is the host."""
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


def measure_viewer(server: SshServer, place: Path) -> bool:
    """Judge the time from a line of output to `rae-auto output --follow`, through a daemon of its own."""
    config, site = place / "rae.toml", place / "site"
    options = f'python = "{sys.executable}", directory = "{place}/fresh", config = "{server.config}"'
    config.write_text(
        "[jobs.lines]\nshell = 'while :; do date +%s.%N; sleep 0.25; done'\n"
        f'executor = {{ type = "ssh", host = "box", {options} }}\n'
    )
    config.chmod(0o600)
    environment = {**os.environ, "RAE_STATE_DIR": str(site)}
    program = [sys.executable, "-m", "rae_auto"]

    def call(*words: str) -> int:
        command = [*program, *words, "--config", str(config)]
        return subprocess.run(command, env=environment, capture_output=True).returncode

    daemon = subprocess.Popen([*program, "run", "--config", str(config)], env=environment, stderr=subprocess.DEVNULL)
    try:
        while call("trigger", "lines"):
            time.sleep(0.2)
        command = [*program, "output", "lines", "--follow", "--config", str(config)]
        time.sleep(3)
        viewer = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert viewer.stdout is not None
        delays = [-float(viewer.stdout.readline()) + time.time() for _ in range(80)][20:]
        viewer.kill()
        call("cancel", "lines")
        call("stop")
        return judge("line → viewer", delays)
    finally:
        daemon.kill()


async def _start_sleeper(executor: SshExecutor, place: Path) -> dict[str, Any]:
    job = Job(id="figures", shell="echo on; sleep 2", cwd=str(place))
    assignment = Assignment(run=RunId("sleeper"), attempt=1, job=job, environment={}, output=place / "sleeper.log")
    await executor.start(assignment)
    while not assignment.output.exists():  # noqa: ASYNC110 - files of other processes
        await asyncio.sleep(0.05)
    record: dict[str, Any] = json.loads((place / "fresh" / "runs" / "sleeper.1" / "out.start").read_text())
    return record


def _rss_of_keeper(record: dict[str, Any]) -> tuple[int, int]:
    process = psutil.Process(record["keeper"][0])
    return process.memory_info().rss, process.memory_full_info().uss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=int, default=0, metavar="ROUNDS")
    options = parser.parse_args()
    host_link.MAX_RETRY_SECONDS = 0.3
    logger.remove()
    place = Path(tempfile.mkdtemp())
    program = find_sshd()
    assert program is not None, "there is no sshd"
    server = SshServer(program, place)
    server.start()
    try:
        if options.figures:
            are_good = asyncio.run(measure(server, place, options.figures))
            are_good &= measure_viewer(server, place)
            print(f"load: {os.getloadavg()[0]:.1f}")
            if not are_good:
                sys.exit("a figure is beyond its goal")
        if options.faults:
            campaign = Campaign(server, place, options.seed)
            wrong = asyncio.run(campaign.run(options.faults))
            print(f"{options.faults} faults, {campaign.text()}; violations: {wrong or 'none'}")
            sys.exit(bool(wrong))
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
