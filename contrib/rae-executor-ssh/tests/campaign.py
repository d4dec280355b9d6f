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
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from loguru import logger
from rae_executor_ssh import SshExecutor, host_link

from rae_auto.api import Assignment, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))
from tests.support.remote_figures import judge_attempts, judge_viewer, make_assignment

from conftest import SshServer, find_sshd

FAULTS = ("cut", "cut", "cut", "server", "keeper", "daemon", "daemon")
MIN_TRUE_SHARE = 0.5
"""Share of attempts that must end with their true exit status."""

MIN_ATTEMPTS = 30
"""Number of attempts from which on the share is judged; of fewer, one must end so."""

MAX_START_SECONDS = 5.0


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
                # Those of other campaigns on this machine are in folders of theirs.
                if "RAE_RUN_ID" in process.environ() and Path(process.cwd()) == self.place:
                    wrong.append(f"{process.pid} is left of {process.environ()['RAE_RUN_ID']}")
        return wrong


async def measure(server: SshServer, place: Path, rounds: int) -> bool:
    """Print the figures of the README; return whether they are as good as they are to be."""
    executor = SshExecutor(host="box", python=sys.executable, directory=str(place / "fresh"), config=str(server.config))
    began = time.monotonic()
    assert await executor.check_readiness() is None
    print(f"first connection, agent shipped: {time.monotonic() - began:.2f} s")
    are_good = await judge_attempts(executor, place, rounds)
    keeper = _rss_of_keeper(await _start_sleeper(executor, place))
    print(f"keeper: {keeper[0] >> 20} MB resident, {keeper[1] >> 20} MB of its own")
    await executor.close()
    return are_good


async def _start_sleeper(executor: SshExecutor, place: Path) -> dict[str, Any]:
    assignment = make_assignment("sleeper", "echo on; sleep 2", place)
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
            table = f'python = "{sys.executable}", directory = "{place}/fresh", config = "{server.config}"'
            are_good &= judge_viewer(place, f'{{ type = "ssh", host = "box", {table} }}')
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
