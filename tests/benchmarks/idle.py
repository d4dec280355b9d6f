"""Processor time and wake-ups of daemons that have nothing to do: `python tests/benchmarks/idle.py [SECONDS] [JOBS]`.

Beside rae-auto the peers of `peers.py` in the same run, all at once, so that each has the same minute.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from peers import cpu_seconds, daemon, names, wake_ups

SETTLE = 15
"""Seconds in which what is done once after a start is done."""


def main(seconds: int, jobs: int) -> None:
    with ExitStack() as stack:
        pids = {}
        for name in names():
            place = stack.enter_context(tempfile.TemporaryDirectory())
            pids[name] = stack.enter_context(daemon(name, Path(place), jobs))
        time.sleep(SETTLE)
        before = {name: (cpu_seconds(pid), wake_ups(pid)) for name, pid in pids.items()}
        time.sleep(seconds)
        for name, pid in pids.items():
            spent, woken = cpu_seconds(pid) - before[name][0], wake_ups(pid) - before[name][1]
            print(
                f"{name:>12}, {jobs} jobs, {seconds} s: {spent * 1e3:6.0f} ms of processor time, "
                f"{woken:5} wake-ups ({woken / seconds:.2f} a second)"
            )


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *("60", "100")[len(sys.argv) - 1 :])))
