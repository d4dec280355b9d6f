"""Lateness of commands that are all due at one instant: `python tests/benchmarks/lateness_of_commands.py [JOBS …]`.

Each job is a shell that appends the time to a file. rae-auto beside cronstable in the same run, one after the other;
ours has each start durable before it happens. What is measured is mostly how fast a daemon can spawn. They are due at a
whole minute, with `--within SECONDS` after so many seconds.
"""

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lateness import report
from measuring.peers import scheduler_daemon, scheduler_names
from measuring.processes import wait_until

READY_BEFORE = timedelta(seconds=40)
"""Time before the minute by which the daemons are started."""

MAX_LATENESS_SECONDS = 120


def main(sizes: Sequence[int], within: float | None) -> None:
    names = [name for name in scheduler_names() if name != "APScheduler"]
    for size in sizes:
        for name in names:
            with tempfile.TemporaryDirectory() as place:
                report(name, size, measure_lateness(name, Path(place), size, due_at(within)))


def due_at(within: float | None) -> datetime:
    """Return the whole second after so many, or the whole minute for which a daemon is ready."""
    now = datetime.now(UTC)
    if within is None:
        return (now + READY_BEFORE + timedelta(minutes=1)).replace(second=0, microsecond=0)
    return (now + timedelta(seconds=within + 1)).replace(microsecond=0)


def measure_lateness(name: str, place: Path, size: int, due: datetime) -> list[float]:
    starts = place / "starts"
    starts.touch()
    # The seconds only where they are wanted: with them cronstable looks more often.
    schedule = f"{due:%M %H %d %m} *" if not due.second else f"{due:%S %M %H %d %m} * {due:%Y}"
    with scheduler_daemon(name, place, size, f"date +%s.%N >> {starts}", lambda _: schedule):
        seconds = (due - datetime.now(UTC)).total_seconds() + MAX_LATENESS_SECONDS
        wait_until(lambda: starts.read_bytes().count(b"\n") >= size, f"{name} did not start {size} jobs", seconds)
    return [float(line) - due.timestamp() for line in starts.read_text().splitlines()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", nargs="*", type=int, default=[100, 1_000])
    parser.add_argument("--within", type=float)
    given = parser.parse_args()
    main(given.jobs, given.within)
