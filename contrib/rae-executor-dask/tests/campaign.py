"""Random faults against a real cluster, and figures: `python tests/campaign.py --faults 300 --seed 1`, `--figures 20`.

Workers, keepers, guards, the scheduler, the helper and the daemon (with all that it knew) are killed by SIGKILL, and
stopped by SIGSTOP for a while. A lost attempt is repeated, as with `on_crash = "rerun"`. At the end: each attempt was
spawned at most once, no two attempts of a run lived at the same time, each run has its true exit status, and nothing is
left running.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from loguru import logger
from rae_executor_dask import DaskExecutor

from rae_auto.api import Assignment, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))
from dask_cluster import DaskCluster
from tests.support.remote_figures import judge_attempts, judge_viewer, make_assignment

FAULTS = (
    *("kill worker", "stop worker", "kill keeper", "stop keeper", "kill guard", "kill both"),
    *("kill scheduler", "stop scheduler", "kill helper", "stop helper", "kill daemon"),
)
LEASE = timedelta(seconds=2)
MAX_STOP_SECONDS = 4.0
WORKERS, RUNS = 3, 6
END_SECONDS = 240.0

JOB = """
echo "$RAE_RUN_ID.$RAE_ATTEMPT" >> starts
exec 9> "lock.$RAE_RUN_ID"
flock -n 9 || echo "$RAE_RUN_ID.$RAE_ATTEMPT" >> twins
echo begun; sleep {seconds:.2f}; echo last; exit {code}
"""


class Campaign:
    """One seeded sequence of runs and faults."""

    def __init__(self, cluster: DaskCluster, place: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.cluster, self.place = cluster, place
        (place / "state").mkdir(mode=0o700)
        self.wanted: dict[str, int] = {}
        self.outcomes: dict[str, Any] = {}
        self.attempts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.assignments: dict[str, Assignment] = {}
        self.waiting: dict[str, asyncio.Task[Any]] = {}
        self.stopped: list[tuple[float, psutil.Process]] = []
        self.problems: list[str] = []

    async def open(self) -> None:
        """Be a new daemon."""
        directory = str(self.place / "remote")
        self.executor = DaskExecutor(scheduler=self.cluster.address, directory=directory, lease=LEASE)
        await self.executor.open(self.place / "state")

    async def run(self, faults: int) -> list[str]:
        """Return the violations."""
        await self.open()
        resuming = asyncio.create_task(self.resume_in_time())
        for number in range(faults):
            while len(self.waiting) < RUNS:
                await self.start_run()
            await asyncio.sleep(self.random.uniform(0.0, 1.0))
            await self.inject(self.random.choice(FAULTS))
            await self.collect()
            if number % 25 == 24:
                print(f"{number + 1} faults, {len(self.outcomes)} runs ended", flush=True)
        async with asyncio.timeout(END_SECONDS):
            while self.waiting:
                await asyncio.wait(self.waiting.values(), timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                await self.collect()
        resuming.cancel()
        self.resume_stopped(everything=True)
        await self.executor.close()
        return [*self.problems, *self.check()]

    async def start_run(self) -> None:
        run = f"campaign-{len(self.wanted) + 1}"
        self.wanted[run] = self.random.randrange(1, 100)
        await self.start(run)

    async def start(self, run: str) -> None:
        self.attempts[run] += 1
        seconds, number = self.random.uniform(0.0, 2.0), self.attempts[run]
        job = Job(id="campaign", shell=JOB.format(seconds=seconds, code=self.wanted[run]), cwd=str(self.place))
        environment = {"RAE_RUN_ID": run, "RAE_ATTEMPT": str(number)}
        output = self.place / f"{run}.{number}.log"
        made = Assignment(run=RunId(run), attempt=number, job=job, environment=environment, output=output)
        self.assignments[run] = made
        execution = await self.executor.start(made)
        self.waiting[run] = asyncio.create_task(execution.wait())

    async def collect(self) -> None:
        for run, task in list(self.waiting.items()):
            if not task.done() or task.cancelled():
                continue
            outcome = task.result()
            del self.waiting[run]
            self.ends["lost" if outcome is None else type(outcome).__name__] += 1
            if isinstance(outcome, Result):
                self.outcomes[run] = outcome
                continue
            count = self.count("starts", f"{run}.{self.attempts[run]}")
            if isinstance(outcome, NeverStarted) and count:
                self.problems.append(f"{run}.{self.attempts[run]}: never started, but spawned {count} times")
            await self.start(run)

    # Faults

    async def inject(self, fault: str) -> None:
        self.faults[fault] += 1
        what, whom = fault.split()
        worker = self.random.choice(self.cluster.workers)
        process: psutil.Process | None = worker
        if whom in ("keeper", "guard", "both"):
            with suppress(psutil.Error, ValueError):
                guard, keeper = self.cluster.find_keepers(worker, self.place / "remote")
                process = guard if whom == "guard" else keeper
                if whom == "both":
                    keeper.kill()
                    process = worker
        elif whom == "scheduler":
            process = self.cluster.scheduler
        elif whom in ("helper", "daemon"):
            process = self.find_helper()
        if process is None:
            return
        if what == "stop":
            with suppress(psutil.Error):
                process.suspend()
                self.stopped.append((time.monotonic() + self.random.uniform(0.0, MAX_STOP_SECONDS), process))
        elif whom == "scheduler":
            self.resume_stopped(everything=True)
            await asyncio.to_thread(self.cluster.restart_scheduler)
            for _ in range(WORKERS):
                await asyncio.to_thread(self.cluster.add_worker, threads=2)
        elif process is worker:
            await asyncio.to_thread(self.cluster.kill, worker)
            await asyncio.to_thread(self.cluster.add_worker, threads=2)
        else:
            with suppress(psutil.Error):
                process.kill()
        if whom == "daemon":
            await self.replace_daemon()

    def find_helper(self) -> psutil.Process | None:
        link = self.executor._link
        process = None if link is None else link.process
        with suppress(psutil.Error, OSError, ValueError):
            if process is not None:
                return psutil.Process(self.cluster.find_helper(process.pid))
        return None

    async def resume_in_time(self) -> None:
        while True:
            self.resume_stopped()
            await asyncio.sleep(0.1)

    def resume_stopped(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        for at, process in list(self.stopped):
            if everything or at <= now:
                self.stopped.remove((at, process))
                with suppress(psutil.Error):
                    process.resume()

    async def replace_daemon(self) -> None:
        """Forget all that a daemon knew, and be the next one."""
        for task in self.waiting.values():
            task.cancel()
        await self.executor.close()
        await self.open()
        for run in list(self.waiting):
            if self.waiting[run].done() and not self.waiting[run].cancelled():
                continue
            self.waiting[run] = asyncio.create_task(self.find(run))

    async def find(self, run: str) -> Any:
        found = await self.executor.find(self.assignments[run], {})
        return found if found is None or isinstance(found, Result | NeverStarted) else await found.wait()

    # Judgement

    def count(self, name: str, attempt: str) -> int:
        path = self.place / name
        return path.read_text().split().count(attempt) if path.exists() else 0

    def check(self) -> list[str]:
        path = self.place / "starts"
        starts = Counter(path.read_text().split() if path.exists() else [])
        wrong = [f"{attempt}: spawned {count} times" for attempt, count in starts.items() if count > 1]
        if (self.place / "twins").exists():
            wrong.append(f"living twins: {(self.place / 'twins').read_text().split()}")
        for run, code in self.wanted.items():
            outcome = self.outcomes.get(run)
            if outcome is None or outcome.exit_code != code:
                wrong.append(f"{run}: {outcome}, wanted {code}")
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                # Those of other campaigns on this machine are in folders of theirs.
                if "RAE_RUN_ID" in process.environ() and Path(process.cwd()) == self.place:
                    wrong.append(f"{process.pid} is left of {process.environ()['RAE_RUN_ID']}")
        return wrong


async def measure(cluster: DaskCluster, place: Path, rounds: int) -> bool:
    """Print the figures of the README; return whether they are as good as they are to be."""
    (place / "state").mkdir(mode=0o700)
    executor = DaskExecutor(scheduler=cluster.address, directory=str(place / "fresh"))
    await executor.open(place / "state")
    began = time.monotonic()
    while (problem := await executor.check_readiness()) is not None:
        print(problem)
    print(f"helper started and connected: {time.monotonic() - began:.2f} s")
    are_good = await judge_attempts(executor, place, rounds)
    await measure_rate(executor, place, 25 * rounds)
    link = executor._link
    assert link is not None and link.process is not None
    helper = psutil.Process(cluster.find_helper(link.process.pid)).memory_info().rss
    guard, keeper = cluster.find_keepers(cluster.workers[0], place / "fresh")
    own = [process.memory_full_info().uss >> 20 for process in (guard, keeper)]
    print(f"helper: {helper >> 20} MB; keeper and guard of a worker: {sum(own)} MB of their own")
    print(f"load: {os.getloadavg()[0]:.1f}")
    await executor.close()
    return are_good


async def measure_rate(executor: DaskExecutor, place: Path, count: int) -> None:
    began = time.monotonic()
    made = [make_assignment(f"rate-{number}", "exec true", place) for number in range(count)]
    executions = [await executor.start(one) for one in made]
    results = await asyncio.gather(*(execution.wait() for execution in executions))
    assert [getattr(result, "exit_code", None) for result in results] == [0] * count
    print(f"commands per second: {count / (time.monotonic() - began):.0f} ({count})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=int, default=0, metavar="ROUNDS")
    options = parser.parse_args()
    logger.remove()
    place = Path(tempfile.mkdtemp())
    (place / "cluster").mkdir()
    cluster = DaskCluster(place / "cluster")
    cluster.start()
    for _ in range(WORKERS):
        cluster.add_worker(threads=2)
    try:
        if options.figures:
            are_good = asyncio.run(measure(cluster, place, options.figures))
            table = f'{{ type = "dask", scheduler = "{cluster.address}", directory = "{place}/fresh" }}'
            are_good &= judge_viewer(place, table)
            if not are_good:
                sys.exit("a figure is beyond its goal")
        if options.faults:
            campaign = Campaign(cluster, place, options.seed)
            wrong = asyncio.run(campaign.run(options.faults))
            print(f"{options.faults} faults: {dict(campaign.faults)}")
            print(f"{len(campaign.wanted)} runs, {sum(campaign.attempts.values())} attempts: {dict(campaign.ends)}")
            print(f"violations: {wrong or 'none'}")
            sys.exit(bool(wrong))
    finally:
        with suppress(Exception):
            cluster.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
