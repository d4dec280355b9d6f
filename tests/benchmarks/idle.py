"""Processor time and wake-ups of daemons that have nothing to do: `python tests/benchmarks/idle.py`.

Beside rae-auto the peers of `measuring/peers.py` in the same run, all at once, so that each has the same minute.
Options: `--seconds` to measure, `--jobs` of each, `--settle` seconds before.
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from measuring.peers import scheduler_daemon, scheduler_names
from measuring.processes import cpu_seconds, wake_ups

SETTLE_SECONDS = 15
"""Time in which what is done once after a start is done."""


def main(seconds: float, jobs: int, settle: float) -> None:
    with ExitStack() as stack:
        pids = {}
        for name in scheduler_names():
            place = stack.enter_context(tempfile.TemporaryDirectory())
            pids[name] = stack.enter_context(scheduler_daemon(name, Path(place), jobs))
        time.sleep(settle)
        before = {name: (cpu_seconds(pid), wake_ups(pid)) for name, pid in pids.items()}
        time.sleep(seconds)
        for name, pid in pids.items():
            spent, woken = cpu_seconds(pid) - before[name][0], wake_ups(pid) - before[name][1]
            print(
                f"{name:>12}, {jobs} jobs, {seconds:g} s: {spent * 1e3:6.0f} ms of processor time, "
                f"{woken:5} wake-ups ({woken / seconds:.2f} a second)"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS)
    given = parser.parse_args()
    main(given.seconds, given.jobs, given.settle)
