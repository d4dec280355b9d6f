"""Lateness of commands that are due at one whole minute: `python tests/benchmarks/lateness_of_commands.py [JOBS …]`.

Each job is a shell that appends the time to a file. rae-auto beside cronstable in the same run, one after the other;
ours has each start durable before it happens. What is measured is mostly how fast a daemon can spawn.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lateness import report
from peers import daemon, names

READY = timedelta(seconds=40)
"""Time before the minute by which the daemons are started."""


def main(sizes: Sequence[int]) -> None:
    for size in sizes:
        for name in names():
            if name != "APScheduler":
                with tempfile.TemporaryDirectory() as place:
                    report(name, size, lateness(name, Path(place), size))


def lateness(name: str, place: Path, size: int) -> list[float]:
    due = (datetime.now(UTC) + READY + timedelta(minutes=1)).replace(second=0, microsecond=0)
    starts = place / "starts"
    starts.touch()
    with daemon(name, place, size, f"date +%s.%N >> {starts}", lambda _: f"{due.minute} {due.hour} * * *"):
        while len(lines := starts.read_text().splitlines()) < size:
            time.sleep(0.5)
            assert datetime.now(UTC) < due + timedelta(minutes=2), f"{name} started {len(lines)} of {size}"
    return [float(line) - due.timestamp() for line in lines]


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100, 1_000])
