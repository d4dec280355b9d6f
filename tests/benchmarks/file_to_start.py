"""From a file's close to the start of its job, in a real daemon: `python tests/benchmarks/file_to_start.py [FILES]`.

The job is a shell that notes the time, so that what is measured includes the durable decision and the spawn. Beside it
stands the start as the daemon has recorded it, without what the shell itself takes. With `stable` that time would come
on top.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from measuring.daemons import rae_daemon, run_rae_auto
from measuring.processes import wait_until

QUIET = ("0s", "500ms")
"""At once, and the default."""

REST_SECONDS = 0.05
"""Time of rest before the next file, so that each has the daemon at rest."""


def main(files: int) -> None:
    for quiet in QUIET:
        with tempfile.TemporaryDirectory() as place:
            delays, recorded = measure(Path(place), quiet, files)
        report(f"from close to the job's first command, quiet = {quiet!r}", delays)
        report(f"from close to the recorded start,      quiet = {quiet!r}", recorded)


def measure(place: Path, quiet: str, files: int) -> tuple[list[float], list[float]]:
    """Seconds from each file's close to the job's own first note, and to the start that the daemon has recorded."""
    top, notes = place / "in", place / "notes"
    top.mkdir()
    notes.touch()
    job = f"""
        [jobs.note]
        shell = "date +%s.%N >> {notes}"
        overlap = "allow"
        trigger = {{ type = "file", paths = ["{top}"], quiet = "{quiet}", batch = "each" }}
    """
    closed = []
    with rae_daemon(place, job):
        wait_until_watched(place)
        for number in range(files):
            with (top / str(number)).open("w") as file:
                file.write("x")
            closed.append(time.time())
            wait_for_lines(notes, number + 1)
            time.sleep(REST_SECONDS)
        runs = json.loads(run_rae_auto(place, "history", "note", "--limit", str(files), "--json"))
    started = [float(line) for line in notes.read_text().splitlines()]
    decided = sorted(datetime.fromisoformat(run["started_at"]).timestamp() for run in runs)
    return (
        [at - since for at, since in zip(started, closed, strict=True)],
        [at - since for at, since in zip(decided, closed, strict=True)],
    )


def wait_for_lines(notes: Path, count: int) -> None:
    wait_until(lambda: notes.read_bytes().count(b"\n") >= count, f"file {count} started nothing")


def wait_until_watched(place: Path) -> None:
    """Return once the first look is over, which is when the snapshot is there; it takes files of before for known."""
    snapshot = place / "state" / "triggers" / "note" / "file" / "snapshot.sqlite"
    wait_until(snapshot.exists, "the trigger took no snapshot")
    time.sleep(1)


def report(what: str, delays: Sequence[float]) -> None:
    ordered = sorted(delays)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    print(
        f"{what}: p50 {p50 * 1e3:5.0f} ms, p99 {p99 * 1e3:5.0f} ms, most {ordered[-1] * 1e3:5.0f} ms "
        f"of {len(ordered)} files",
        flush=True,
    )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2] or ["100"]))
