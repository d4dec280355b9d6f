"""Growth of cost: `python -m tests.benchmarks growth [jobs] [runs] [--size N …]`.

With 10 to 100,000 jobs: memory, adding, a restart, and how late a hundred of them start while the others are idle. With
1,000 to 1,000,000 runs on record (10,000,000 by `--size 10000000`, which takes a quarter of an hour to fill): what
`history`, `stats` and `why` ask for, a step of pruning that finds nothing, the daily copy, memory, and the latest of
some starts while the copy is being made. Each size has a process of its own; times are of the processor, so that other
work on the machine matters little, except for the lateness. `exponent` is by which power of the size a figure grows
between the last two sizes: 1 is as the size, 0 not at all.
"""

import argparse
import asyncio
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "subjects"))

import starts
from figures import MAX_WAIT_SECONDS, due_after, percentiles, wait_for
from measuring import histories

from rae_auto import Job, Once, Retention, Scheduler
from rae_auto.api.store import LogQuery, RetentionRule
from rae_auto.explain.engine_source import explain_job
from rae_auto.model import documents
from rae_auto.records.state_directory import claim_state_directory
from rae_plugins.stores.sqlite.copying import FileCopier

SIZES = {"jobs": (10, 100, 1_000, 10_000, 100_000), "runs": (1_000, 10_000, 100_000, 1_000_000)}

DUE_JOBS = 100
"""Number of jobs, of all, that are due in the same second."""

STARTS_BESIDE_COPY = 20

IDLE_SECONDS = 0.02
"""Processor time in a second up to which a process counts as idle."""

Figures = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each size in a process of its own, and print a table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks growth")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="jobs or runs; both by default")
    parser.add_argument("--size", type=int, action="append", help="measure with this size instead; can be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file, too")
    given = parser.parse_args(arguments)
    found: dict[str, dict[int, Figures]] = {}
    for subject in given.subjects or SIZES:
        if subject not in SIZES:
            parser.error(f'no subject "{subject}"; there are: {", ".join(SIZES)}')
        found[subject] = {size: _measure_apart(subject, size) for size in given.size or SIZES[subject]}
        print("\n".join(format_table(subject, found[subject])), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def format_table(subject: str, figures: Mapping[int, Figures]) -> list[str]:
    """Return the lines of a table: a row for each figure, a column for each size."""
    sizes = list(figures)
    lines = [f"{'with so many ' + subject:36}" + "".join(f"{size:>12,}" for size in sizes) + f"{'exponent':>10}"]
    for name in figures[sizes[-1]]:
        values = [figures[size].get(name, math.nan) for size in sizes]
        lines.append(
            f"  {name:34}" + "".join(f"{value:12,.2f}" for value in values) + f"{_exponent(sizes, values):>10}"
        )
    return lines


def _exponent(sizes: Sequence[int], values: Sequence[float]) -> str:
    if len(values) < 2 or min(values[-2:]) <= 0:
        return ""
    return f"{math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2]):.2f}"


def _measure_apart(subject: str, size: int) -> Figures:
    done = subprocess.run([sys.executable, __file__, subject, str(size)], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


async def measure_jobs(size: int, place: Path) -> Figures:
    """Add so many jobs, start again with them, and let a hundred of them be due."""
    due = due_after(size, 300) + 3
    at_once = [
        Job(id=f"due{n}", python="starts:note", schedule=Once(datetime.fromtimestamp(due, UTC)))
        for n in range(DUE_JOBS)
    ]
    jobs = [Job(id=f"j{n}", python="time:time", schedule=f"{n % 60} {n % 24} 1 1 *") for n in range(size)]
    began = time.process_time()
    async with Scheduler(directory=place) as scheduler:
        opened = time.process_time()
        await scheduler.add_jobs(jobs)
        added = time.process_time() - opened
    closed = time.process_time()
    async with Scheduler(directory=place, max_parallel=DUE_JOBS) as scheduler:
        restarted = time.process_time() - closed
        await scheduler.add_jobs(at_once)
        await asyncio.to_thread(wait_for, lambda: len(starts.AT) >= DUE_JOBS)
    late = percentiles([at - due for at in starts.AT])
    return {
        "open an empty store, ms": (opened - began) * 1e3,
        "add, ms": added * 1e3,
        "restart, ms": restarted * 1e3,
        "largest memory, MB": _peak_mb(),
        "lateness of 100, p50 ms": late["p50"],
        "lateness of 100, p99 ms": late["p99"],
    }


async def measure_runs(size: int, place: Path) -> Figures:
    """Ask a history of so many runs, copy it, and start something meanwhile."""
    state = claim_state_directory(place)
    # In a process of its own, because documents of that many runs are no part of what the scheduler needs.
    with ProcessPoolExecutor(1, get_context("spawn")) as filling:
        pruned = filling.submit(_fill, state, size).result()
    keep = Retention(keep="36500d", keep_failures="36500d", runs=1_000_000)
    figures = {"a step of pruning, ms": pruned}
    opened = time.process_time()
    async with Scheduler(directory=state, retention=keep) as scheduler:
        figures["restart, ms"] = (time.process_time() - opened) * 1e3
        failures = LogQuery(states=("failed",))
        questions: dict[str, Callable[[], Awaitable[object]]] = {
            "history, ms": scheduler.history,
            "history of a job, ms": lambda: scheduler.history("job-7"),
            "history of failures, ms": lambda: scheduler.history(states=failures.states),
            "stats, ms": scheduler.statistics,
            "why, ms": lambda: explain_job(scheduler, "job-7", None, None, None, local_times=False),
        }
        await scheduler.add_job(Job(id="job-7", python="time:time"))
        await _wait_until_idle()
        for name, ask in questions.items():
            figures[name] = await _ask(ask)
        figures["latest start beside a copy, ms"] = await _latest_start_beside_copy(scheduler, state)
    figures["largest memory, MB"] = _peak_mb()
    return figures


def _fill(state: Path, size: int) -> float:
    """Fill a store, and return how many milliseconds a step of pruning then takes that finds nothing."""
    store = histories.fill(state, size)
    rule = RetentionRule(since=histories.START, newest=size, states=("succeeded", "skipped"))
    pruned = _milliseconds(lambda: store.prune(documents.RUNS, rule))
    store.close()
    return pruned


async def _wait_until_idle() -> None:
    """Return once no thread of the process works: at its start the store copies what its last stop could not."""
    for _ in range(MAX_WAIT_SECONDS):
        used = time.process_time()
        await asyncio.sleep(1)
        if time.process_time() - used < IDLE_SECONDS:
            return


async def _ask(ask: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(3):
        began = time.process_time()
        await ask()
        took.append((time.process_time() - began) * 1e3)
    return min(took)


async def _latest_start_beside_copy(scheduler: Scheduler, state: Path) -> float:
    """Return how long the slowest of some starts by hand took that came while the store was copied."""
    await scheduler.add_job(Job(id="beside", python="time:time"))
    copier, slowest = FileCopier(state / "state.sqlite"), 0.0
    copier.start(datetime.now(UTC) + timedelta(days=2))
    for _ in range(STARTS_BESIDE_COPY):
        asked = datetime.now(UTC)
        run = await scheduler.wait(await scheduler.trigger("beside"))
        assert run.started_at is not None
        slowest = max(slowest, (run.started_at - asked).total_seconds() * 1e3)
    await asyncio.to_thread(copier.wait)
    return slowest


def _milliseconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return (time.process_time() - began) * 1e3


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


_MEASURES: Mapping[str, Callable[[int, Path], Awaitable[Figures]]] = {"jobs": measure_jobs, "runs": measure_runs}


async def _measure(subject: str, size: int) -> Figures:
    with tempfile.TemporaryDirectory() as place:
        return await _MEASURES[subject](size, Path(place) / "state")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure(sys.argv[1], int(sys.argv[2])))))
