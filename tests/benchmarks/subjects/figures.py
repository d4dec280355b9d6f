"""Parts that the measured scripts share: how they are called, and how samples become figures. Standard library only."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

MAX_WAIT_SECONDS = 600
LOOK_SECONDS = 0.2
"""Between two looks at how far others are; rarely, so that the looking costs nothing."""


def report(measures: Mapping[str, Callable[[int, str], Mapping[str, float]]]) -> None:
    """Measure the line that the command line names, of that size and variant, and print its figures as JSON."""
    line, size, variant = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    print(json.dumps(dict(measures[line](size, variant))))


@contextmanager
def fresh_folder() -> Iterator[str]:
    """Make a folder for a measurement; it is removed, but where the table removes all at its end."""
    place = os.environ.get("RAE_BENCHMARK_PLACE")
    if place is not None:
        yield tempfile.mkdtemp(dir=place)
        return
    with tempfile.TemporaryDirectory() as own:
        yield own


def percentiles(samples: Sequence[float], scale: float = 1e3) -> dict[str, float]:
    """Return the middle of samples and how bad one in a hundred is, in milliseconds of seconds."""
    ordered = sorted(samples)
    return {name: ordered[int((len(ordered) - 1) * share)] * scale for name, share in (("p50", 0.5), ("p99", 0.99))}


def wait_for(is_done: Callable[[], object]) -> None:
    """Return once something is so. Raises TimeoutError after `MAX_WAIT_SECONDS`."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done within {MAX_WAIT_SECONDS} s")
        time.sleep(LOOK_SECONDS)


def due_after(size: int, per_second: int) -> float:
    """Return a whole second that leaves time to add so many jobs before it, at this rate; as seconds of the epoch."""
    return float(int(time.time()) + 3 + size // per_second)


def milliseconds_of_process(command: Sequence[str], repeats: int, **options: Any) -> float:
    """Return the median time that a command takes from its start to its end."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took)
