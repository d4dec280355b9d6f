"""Resident memory of idle daemons with many cron jobs: `python tests/benchmarks/memory.py [JOBS …]`.

Each size is a real daemon in a directory of its own, read after it has come to rest; beside rae-auto the peers of
`measuring/peers.py` in the same run. Ours once with its jobs in the configuration, and once with them in its store.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring.peers import new_year_schedule, scheduler_daemon, scheduler_names
from measuring.processes import resident_mb

MAX_CONFIGURED_JOBS = 15_000
"""Number of jobs that fit into a configuration, which may have 1 MiB."""


REST_SECONDS = 2
"""Time after which a daemon has come to rest."""


def main(sizes: Sequence[int]) -> None:
    names = scheduler_names()
    for size in sizes:
        for name in names:
            if name == "rae-auto" and size > MAX_CONFIGURED_JOBS:
                continue
            with tempfile.TemporaryDirectory() as place, scheduler_daemon(name, Path(place), size) as pid:
                report(name, size, pid)
        with tempfile.TemporaryDirectory() as place:
            fill(Path(place) / "state", size)
            with scheduler_daemon("rae-auto", Path(place), 0) as pid:
                report("(its store)", size, pid)


def report(name: str, size: int, pid: int) -> None:
    time.sleep(REST_SECONDS)
    print(f"{name:>12}: {size:>6} cron jobs: {resident_mb(pid):6.1f} MB resident", flush=True)


def fill(directory: Path, size: int) -> None:
    from rae_auto import Job, SyncScheduler

    jobs = [Job(name=f"job-{n}", command="true", schedule=new_year_schedule(n)) for n in range(size)]
    with SyncScheduler(directory=directory) as scheduler:
        scheduler.add_jobs(jobs)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 1_000, 10_000])
