"""Resident memory of the idle daemon with 10, 1,000 and 10,000 cron jobs: `python tests/benchmarks/memory.py`.

Each size is a real `rae-auto run` in a state directory of its own, read after it has come to rest. A hundred
different expressions, as a machine with that many jobs might have.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (10, 1_000, 10_000)


def main() -> None:
    for size in SIZES:
        for origin in ("config", "store"):
            with tempfile.TemporaryDirectory() as place:
                print(f"{size:>6} cron jobs from the {origin}: {measure(Path(place), size, origin):5.1f} MB resident")


def measure(place: Path, size: int, origin: str) -> float:
    config = place / "rae.toml"
    lines = [f'[jobs.job-{n}]\ncommand = ["true"]\nschedule = "{n % 60} {n % 24} 1 1 *"\n' for n in range(size)]
    config.write_text("\n".join(lines) if origin == "config" else "")
    config.chmod(0o600)
    environment = {**os.environ, "RAE_STATE_DIR": str(place / "state")}
    if origin == "store":
        fill(place / "state", size)
    command = [sys.executable, "-m", "rae_auto", "run", "--config", str(config)]
    daemon = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (place / "state" / "control.sock").exists():
            assert daemon.poll() is None, "the daemon ended"
            time.sleep(0.05)
        time.sleep(2)
        return resident(daemon.pid)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()


def fill(directory: Path, size: int) -> None:
    from rae_auto import Job, SyncScheduler

    jobs = [Job(name=f"job-{n}", command="true", schedule=f"{n % 60} {n % 24} 1 1 *") for n in range(size)]
    with SyncScheduler(directory=directory) as scheduler:
        scheduler.add_jobs(jobs)


def resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


if __name__ == "__main__":
    main()
