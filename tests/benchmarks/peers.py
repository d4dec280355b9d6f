"""The peers that are measured beside rae-auto: `pip install 'apscheduler<4' sqlalchemy cronstable`.

Each is a daemon of its own process with so many cron jobs, none of which is due soon, in a directory of its own.
A peer that isn't installed is left out.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

APSCHEDULER = """
import sys, time
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
def work(): pass
if __name__ == "__main__":
    from __main__ import work
    scheduler = BackgroundScheduler(timezone="UTC")
    size, store = int(sys.argv[1]), sys.argv[2]
    if store != "memory":
        scheduler.add_jobstore("sqlalchemy", url="sqlite:///" + store)
    scheduler.start(paused=True)
    if len(scheduler.get_jobs()) < size:
        for n in range(size):
            trigger = CronTrigger.from_crontab(f"{n % 60} {n % 24} 1 1 *", timezone="UTC")
            scheduler.add_job("builtins:int", trigger, id=str(n))
    scheduler.resume()
    print("ready", flush=True)
    time.sleep(3600)
"""


def expression(number: int) -> str:
    """The schedule of a job by its number: many different ones, none due before New Year."""
    return f"{number % 60} {number % 24} 1 1 *"


def names() -> list[str]:
    """Ourselves and the peers that are installed."""
    found = {"APScheduler": find_spec("apscheduler") and find_spec("sqlalchemy"), "cronstable": find_spec("cronstable")}
    return ["rae-auto", *(name for name, spec in found.items() if spec)]


@contextmanager
def daemon(
    name: str, place: Path, size: int, command: str = "true", schedule: Callable[[int], str] = expression
) -> Iterator[int]:
    """A daemon with so many jobs, each a shell command by a schedule of its number, in its own process; its pid."""
    if name == "APScheduler":
        starting = _apscheduler(place, size)
    else:
        begin = _ours if name == "rae-auto" else _cronstable
        starting = begin(place, [(f"j{n}", command, schedule(n)) for n in range(size)])
    try:
        yield starting.pid
    finally:
        starting.send_signal(signal.SIGTERM)
        try:
            starting.wait(30)
        except subprocess.TimeoutExpired:
            starting.kill()
            starting.wait()


def _ours(place: Path, jobs: Sequence[tuple[str, str, str]]) -> "subprocess.Popen[bytes]":
    config = place / "rae.toml"
    tables = [f'[jobs.{name}]\nshell = "{command}"\nschedule = "{schedule}"\n' for name, command, schedule in jobs]
    config.write_text(f'timezone = "UTC"\nmax_parallel = {max(len(jobs), 1)}\n' + "\n".join(tables))
    config.chmod(0o600)
    started = _start([sys.executable, "-m", "rae_auto", "run", "--config", str(config)], place)
    while not (place / "state" / "control.sock").exists():
        assert started.poll() is None, "the daemon ended"
        time.sleep(0.05)
    return started


def _apscheduler(place: Path, size: int) -> "subprocess.Popen[bytes]":
    script = place / "peer.py"
    script.write_text(APSCHEDULER)
    started = _start([sys.executable, str(script), str(size), "memory"], place, subprocess.PIPE)
    assert started.stdout is not None
    started.stdout.readline()
    return started


def _cronstable(place: Path, jobs: Sequence[tuple[str, str, str]]) -> "subprocess.Popen[bytes]":
    config = place / "crontab.yaml"
    tables = [
        f'  - name: {name}\n    command: "{command}"\n    schedule: "{schedule}"\n' for name, command, schedule in jobs
    ]
    config.write_text("jobs:\n" + "".join(tables))
    started = _start([str(Path(sys.executable).with_name("cronstable")), "-c", str(config)], place)
    # It doesn't say when it is ready: it is when it has used no processor time for a second, at the latest after 60.
    spent, deadline = -1.0, time.monotonic() + 60
    while spent != (spent := cpu_seconds(started.pid)) and time.monotonic() < deadline:
        assert started.poll() is None, "cronstable ended"
        time.sleep(1)
    return started


def _start(command: list[str], place: Path, stdout: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "RAE_STATE_DIR": str(place / "state"), "HOME": str(place)}
    return subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL, cwd=place)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    return _status(pid, "VmRSS") / 1024


def wake_ups(pid: int) -> int:
    """Return how often the threads of a process have gone to sleep so far: once after each wake-up."""
    return sum(
        int(line.split()[1])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
