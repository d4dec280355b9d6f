"""Daemons of their own: rae-auto, cronstable, and a small program with APScheduler."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from figures import due_after, fresh_folder, percentiles, report, wait_for
from measuring.peers import new_year_schedule, scheduler_daemon
from measuring.processes import cpu_seconds, resident_mb, wake_ups

READY_SECONDS = 5
"""Time in which a daemon is ready."""

JOBS_READ_PER_SECOND = 100

REST_SECONDS = 2
"""Time after which a daemon has come to rest."""

SETTLE_SECONDS = 15
"""Time in which what is done once after a start is done."""


def measure_lateness_of_commands(size: int, variant: str) -> dict[str, float]:
    """Start so many commands in one second."""
    with fresh_folder() as place:
        at = due_after(size, JOBS_READ_PER_SECOND) + READY_SECONDS
        due, starts = datetime.fromtimestamp(at, UTC), Path(place) / "starts"
        starts.touch()
        # The seconds only where they are wanted: with them cronstable looks more often.
        schedule = f"{due:%S %M %H %d %m} * {due:%Y}" if due.second else f"{due:%M %H %d %m} *"
        with scheduler_daemon(variant, Path(place), size, f"date +%s.%N >> {starts}", lambda _: schedule):
            wait_for(lambda: starts.read_bytes().count(b"\n") >= size)
        return percentiles([float(line) - at for line in starts.read_text().splitlines()])


def measure_memory(size: int, variant: str) -> dict[str, float]:
    """Look at a daemon at rest with so many jobs: of its configuration, or with "store" those that were added."""
    name, _, is_stored = variant.partition(" ")
    with tempfile.TemporaryDirectory() as place:
        if is_stored:
            _fill(Path(place) / "state", size)
        with scheduler_daemon(name, Path(place), 0 if is_stored else size) as pid:
            time.sleep(REST_SECONDS)
            return {"resident": resident_mb(pid)}


def measure_idle(seconds: int, variant: str) -> dict[str, float]:
    """Look at a daemon with a hundred jobs that has nothing to do."""
    with tempfile.TemporaryDirectory() as place, scheduler_daemon(variant, Path(place), 100) as pid:
        time.sleep(min(SETTLE_SECONDS, seconds))
        cpu, woken = cpu_seconds(pid), wake_ups(pid)
        time.sleep(seconds)
        minutes = seconds / 60
        return {
            "wake-ups a minute": (wake_ups(pid) - woken) / minutes,
            "processor ms a minute": (cpu_seconds(pid) - cpu) * 1e3 / minutes,
        }


def _fill(directory: Path, size: int) -> None:
    from rae_auto import Job, SyncScheduler

    jobs = [Job(name=f"job-{n}", command="true", schedule=new_year_schedule(n)) for n in range(size)]
    # In the zone of the daemon: otherwise its first start would write all schedules again.
    with SyncScheduler(directory=directory, timezone="UTC") as scheduler:
        scheduler.add_jobs(jobs)


if __name__ == "__main__":
    report({"lateness_of_commands": measure_lateness_of_commands, "memory": measure_memory, "idle": measure_idle})
