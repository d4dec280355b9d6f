"""Lateness of jobs that are all due in one second: `python tests/benchmarks/lateness.py [JOBS …]`.

Thread executor, no-op function, SQLite store: each start is durable before it happens. Beside it APScheduler 3 in the
same run, where it is installed (its default store is in memory; here it gets SQLite, as ours has).
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from measuring.peers import is_installed
from measuring.processes import wait_until

from rae_auto import Job, Once, Scheduler

MAX_LATENESS_SECONDS = 300
STARTS: list[float] = []


def note_start() -> None:
    STARTS.append(time.time())


def main(sizes: Sequence[int]) -> None:
    has_peer = is_installed("APScheduler", "apscheduler<4", "sqlalchemy")
    for size in sizes:
        report("rae-auto", size, asyncio.run(measure_rae_auto(size)))
        if has_peer:
            report("APScheduler 3", size, measure_apscheduler(size))


async def measure_rae_auto(size: int) -> list[float]:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3 + size // 1000)
    STARTS.clear()
    jobs = [Job(name=f"j{n}", python=f"{__name__}:note_start", schedule=Once(due)) for n in range(size)]
    with tempfile.TemporaryDirectory() as place:
        async with Scheduler(directory=place, max_parallel=size) as scheduler:
            await scheduler.add_jobs(jobs)
            await asyncio.to_thread(wait_for_starts, size)
    return [start - due.timestamp() for start in STARTS]


def wait_for_starts(size: int) -> None:
    # Rarely looked at, so that the looking costs nothing.
    wait_until(lambda: len(STARTS) >= size, f"fewer than {size} jobs started", MAX_LATENESS_SECONDS, interval=0.2)


def measure_apscheduler(size: int) -> list[float]:
    from apscheduler.schedulers.background import BackgroundScheduler

    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3 + size // 200)
    STARTS.clear()
    with tempfile.TemporaryDirectory() as place:
        scheduler = BackgroundScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None})
        scheduler.add_jobstore("sqlalchemy", url=f"sqlite:///{place}/jobs.sqlite")
        scheduler.start()
        for n in range(size):
            scheduler.add_job(f"{__name__}:note_start", "date", run_date=due, id=str(n))
        wait_for_starts(size)
        scheduler.shutdown()
    return [start - due.timestamp() for start in STARTS]


def report(who: str, size: int, lateness: list[float]) -> None:
    ordered = sorted(lateness)
    p50, p99, worst = (ordered[int((len(ordered) - 1) * share)] * 1e3 for share in (0.5, 0.99, 1))
    print(f"{who:>14}: {size} jobs due at once: p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {worst:.0f} ms")


if __name__ == "__main__":
    # Under its own name, so that workers find `note_start` where the scheduler looks for it.
    import lateness

    lateness.main([int(size) for size in sys.argv[1:]] or [1_000])
