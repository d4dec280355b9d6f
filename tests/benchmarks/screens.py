"""Screens of 10,000 jobs and a million runs: `python tests/benchmarks/screens.py [RUNS [JOBS [DIRECTORY]]]`.

The store is made in a directory that is given, if it isn't there yet, and stays there for the next time.

A scheduler with that store answers over its socket, in a process of its own, as a daemon does; the screens are read and
built here, as the web page does. Each is loaded some times; the median and the worst time by the clock count, and the
processor time of both processes, which a busy machine changes less.
"""

import asyncio
import gc
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

import psutil
from measuring import histories

from rae_auto import Job, Retention, Scheduler
from rae_auto.daemon.commands import Commands
from rae_auto.daemon.control_server import ControlServer
from rae_auto.reading.daemon_records import DaemonRecords
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.screens import (
    load_day_grid,
    load_digest,
    load_job_page,
    load_month,
    load_overview,
    load_run_page,
    load_timeline,
    load_why_page,
)

TIMES = 7
BUDGET_MS = {"timeline": 100, "month": 100}
DEFAULT_BUDGET_MS = 50


async def serve(directory: Path, jobs: int, ready: ProcessEvent, over: ProcessEvent) -> None:
    """Answer for a scheduler until it is over."""
    retention = Retention(keep="36500d", keep_failures="36500d", runs=1_000_000)
    definitions = [
        Job(name=f"job-{number}", command="true", schedule=f"{number % 60} {number % 24} * * *")
        for number in range(jobs)
    ]
    scheduler = Scheduler(directory=directory, retention=retention, jobs=definitions, timezone="UTC", enabled=False)
    await scheduler.open()
    # As the daemon does.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

    async def reload() -> Any:
        return {}

    server = ControlServer(Commands(scheduler, None, reload, scheduler.stop, list).table())
    await server.start(directory / "control.sock")
    ready.set()
    await asyncio.to_thread(over.wait)
    server.retire()
    await scheduler.close(timedelta(0))
    await server.close()


def run_server(directory: Path, jobs: int, ready: ProcessEvent, over: ProcessEvent) -> None:
    asyncio.run(serve(directory, jobs, ready, over))


Taken = dict[str, tuple[list[float], float]]
"""The milliseconds that each loading of a screen took by the clock, and their mean of the processor."""


def processor_seconds(pid: int) -> float:
    """Return the processor time of this process and of another one."""
    used = psutil.Process(pid).cpu_times()
    return time.process_time() + used.user + used.system


async def measure(directory: Path, runs: int, server: int) -> Taken:
    """Load each screen some times, and return what it took here and in the server."""
    source = await DaemonRecords.connect(directory)
    middle = histories.START + timedelta(seconds=10 * runs)
    source.now = lambda: middle  # type: ignore[method-assign]
    run = (await source.runs("job-7", until=middle, limit=1))[0]
    day = timedelta(days=1)
    loads: dict[str, Callable[[], Awaitable[Any]]] = {
        "overview": lambda: load_overview(source),
        "timeline": lambda: load_timeline(source, middle - day, middle + day),
        "month": lambda: load_month(source, middle.year, middle.month),
        "day grid": lambda: load_day_grid(source, middle.date()),
        "job": lambda: load_job_page(source, "job-7"),
        "run": lambda: load_run_page(source, run.id),
        "why now": lambda: load_why_page(source, "job-7"),
        "why then": lambda: load_why_page(source, "job-7", at=(middle - day).isoformat()),
        "digest": lambda: load_digest(source, middle - day, middle),
    }
    began = time.perf_counter()
    # The starts to come are computed once, in the background; there is no event to wait for.
    for _ in range(600):
        if not (await load_month(source, middle.year, middle.month)).is_pending:
            break
        await asyncio.sleep(0.2)
    print(f"starts to come of all jobs are known after {time.perf_counter() - began:.1f} s")
    took: Taken = {}
    for name, load in loads.items():
        await load()
        used = processor_seconds(server)
        times = []
        for _ in range(TIMES):
            began = time.perf_counter()
            screen = await load()
            times.append((time.perf_counter() - began) * 1000)
        # The clock of another process ticks a hundred times a second, so that only the sum of them is precise.
        used = (processor_seconds(server) - used) * 1000 / TIMES
        took[name] = times, used
        json.dumps(screen.to_json())
    await source.close()
    return took


def main(arguments: Sequence[str]) -> int:
    runs = int(arguments[0]) if arguments else 1_000_000
    jobs = int(arguments[1]) if len(arguments) > 1 else 10_000
    with tempfile.TemporaryDirectory() as place:
        kept = Path(arguments[2]) if len(arguments) > 2 else Path(place)
        is_new = not (kept / "state").exists()
        directory = claim_state_directory(kept / "state")
        began = time.perf_counter()
        if is_new:
            histories.fill(directory, runs).close()
            print(f"{runs} runs written in {time.perf_counter() - began:.0f} s, {datetime.now(UTC):%H:%M} UTC")
        context = multiprocessing.get_context("spawn")
        ready, over = context.Event(), context.Event()
        server = context.Process(target=run_server, args=(directory, jobs, ready, over))
        server.start()
        assert ready.wait(300), "the scheduler did not open"
        try:
            took = asyncio.run(measure(directory, runs, server.pid or 0))
        finally:
            over.set()
            server.join(60)
    for name, (times, used) in took.items():
        budget = BUDGET_MS.get(name, DEFAULT_BUDGET_MS)
        by_clock = f"{statistics.median(times):7.1f} ms, at most {max(times):7.1f} ms"
        print(f"{name:10} {by_clock}, processor {used:6.1f} ms (budget {budget} ms)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
