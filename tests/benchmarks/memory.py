"""Resident memory of idle daemons with many cron jobs: `python tests/benchmarks/memory.py [JOBS …]`.

Each size is a real daemon in a directory of its own, read after it has come to rest; beside rae-auto the peers of
`peers.py` in the same run. Ours once with its jobs in the configuration, and once with them in its store.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from peers import daemon, expression, names, resident

MAX_JOBS = 15_000
"""Number of jobs that fit into a configuration, which may have 1 MiB."""


def main(sizes: Sequence[int]) -> None:
    for size in sizes:
        for name in names():
            if name == "rae-auto" and size > MAX_JOBS:
                continue
            with tempfile.TemporaryDirectory() as place, daemon(name, Path(place), size) as pid:
                report(name, size, pid)
        with tempfile.TemporaryDirectory() as place:
            fill(Path(place) / "state", size)
            with daemon("rae-auto", Path(place), 0) as pid:
                report("(its store)", size, pid)


def report(name: str, size: int, pid: int) -> None:
    time.sleep(2)
    print(f"{name:>12}: {size:>6} cron jobs: {resident(pid):6.1f} MB resident", flush=True)


def fill(directory: Path, size: int) -> None:
    from rae_auto import Job, SyncScheduler

    jobs = [Job(name=f"job-{n}", command="true", schedule=expression(n)) for n in range(size)]
    with SyncScheduler(directory=directory) as scheduler:
        scheduler.add_jobs(jobs)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 1_000, 10_000])
