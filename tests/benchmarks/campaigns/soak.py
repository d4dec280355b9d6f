"""A daemon that runs commands for an hour: `python -m tests.benchmarks soak [--minutes 60] [--rate 50]`.

Each minute one line: resident memory, open descriptors, files in the state directory, the size of the store, and how
late the runs of that minute started. At the end the last minute stands beside the fifth: what grows, leaks. Files and
the store grow until the bounds of `[history]` are reached, 1,000 runs of a job by default, and not after that.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from attrs import frozen

sys.path.insert(0, str(Path(__file__).parent.parent))

from measuring.daemons import rae_daemon
from measuring.processes import cpu_seconds, resident_mb

from rae_auto.api.store import Document, LogQuery
from rae_auto.model import documents
from rae_plugins.stores.sqlite import SqliteStore

REFERENCE_MINUTE = 5
"""The minute with which the last one is compared: what is done once after a start is done by then."""

MINUTE_SECONDS = 60.0


@frozen(kw_only=True)
class Sample:
    """One minute of the daemon. Lateness in milliseconds, None where nothing ran."""

    minute: float
    memory_mb: float
    descriptors: int
    files: int
    store_mb: float
    processor_percent: float
    runs: int
    late_p50: float | None
    late_p99: float | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks soak")
    parser.add_argument("--minutes", type=float, default=60, help="how long (60)")
    parser.add_argument("--rate", type=int, default=50, help="runs a second (50)")
    parser.add_argument("--python", action="store_true", help="functions in threads of the daemon, not commands")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to a file, too")
    given = parser.parse_args(arguments)
    samples = run_soak(given.minutes, given.rate, is_python=given.python)
    for line in compare(samples):
        print(line)
    if given.json is not None:
        given.json.write_text(json.dumps([attrs.asdict(sample) for sample in samples], indent=2) + "\n")
    return 0


def run_soak(minutes: float, rate: int, *, is_python: bool) -> list[Sample]:
    """Run a daemon with so many jobs, each once a second; print and return a sample of each minute."""
    what = 'python = "time:time"\nisolated = false' if is_python else 'command = ["true"]'
    jobs = [f'[jobs.j{number}]\n{what}\ntrigger = {{ type = "interval", every = "1s" }}' for number in range(rate)]
    samples = []
    with (
        tempfile.TemporaryDirectory() as place,
        rae_daemon(Path(place), f"max_parallel = {max(rate, 8)}", *jobs) as pid,
    ):
        began, used = time.monotonic(), cpu_seconds(pid)
        ends = [begin + MINUTE_SECONDS for begin in _range(minutes * MINUTE_SECONDS)]
        for end in ends:
            since = datetime.now(UTC)
            end = min(end, minutes * MINUTE_SECONDS)
            time.sleep(max(0.0, began + end - time.monotonic()))
            now_used = cpu_seconds(pid)
            samples.append(_take_sample(Path(place) / "state", pid, end / MINUTE_SECONDS, since, now_used - used, rate))
            used = now_used
            print(_format(samples[-1]), flush=True)
    return samples


def _range(seconds: float) -> list[float]:
    return [MINUTE_SECONDS * number for number in range(max(1, round(seconds / MINUTE_SECONDS + 0.49)))]


def _take_sample(state: Path, pid: int, minute: float, since: datetime, used_seconds: float, rate: int) -> Sample:
    lateness = sorted(_read_lateness(state, since, limit=int(rate * MINUTE_SECONDS * 2)))
    seconds = max((datetime.now(UTC) - since).total_seconds(), 1e-3)
    cuts = [lateness[int((len(lateness) - 1) * share)] * 1e3 for share in (0.5, 0.99)] if lateness else [None, None]
    return Sample(
        minute=minute,
        memory_mb=resident_mb(pid),
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        files=sum(len(files) for _, _, files in os.walk(state)),
        store_mb=sum(path.stat().st_size for path in state.glob("state.sqlite*")) / 1e6,
        processor_percent=100 * used_seconds / seconds,
        runs=len(lateness),
        late_p50=cuts[0],
        late_p99=cuts[1],
    )


def _read_lateness(state: Path, since: datetime, limit: int) -> list[float]:
    """Return by how many seconds the runs started too late that came since then."""
    store = SqliteStore()
    store.open_read_only(state)
    try:
        runs = store.query(documents.RUNS, LogQuery(since=since, limit=limit))
    finally:
        store.close()
    return [_late_by(run) / timedelta(seconds=1) for run in runs if "started_at" in run]


def _late_by(run: Document) -> timedelta:
    return datetime.fromisoformat(run["started_at"]) - datetime.fromisoformat(run["scheduled_for"])


def _format(sample: Sample) -> str:
    late = "nothing ran" if sample.late_p50 is None else f"late {sample.late_p50:.0f} / {sample.late_p99:.0f} ms"
    return (
        f"minute {sample.minute:5.1f}: {sample.memory_mb:6.1f} MB, {sample.descriptors} descriptors, "
        f"{sample.files:,} files, store {sample.store_mb:.1f} MB, {sample.runs:,} runs, {late}, "
        f"{sample.processor_percent:.0f} % of a processor"
    )


def compare(samples: Sequence[Sample]) -> list[str]:
    """Return lines that compare the last minute with the fifth, or with the first of a shorter soak."""
    reference = samples[min(REFERENCE_MINUTE, len(samples)) - 1]
    last, middle = samples[-1], statistics.median(sample.memory_mb for sample in samples)
    lines = [f"minute {reference.minute:g} and minute {last.minute:g}, memory in the middle {middle:.1f} MB:"]
    for name in ("memory_mb", "descriptors", "files", "store_mb", "late_p50", "late_p99"):
        before, after = getattr(reference, name), getattr(last, name)
        if before is not None and after is not None:
            lines.append(f"  {name:12}{before:12,.1f}{after:12,.1f}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
