"""A scheduler killed by signal 9 while a command runs, and started again: `python tests/benchmarks/killed.py`.

Each program starts a command (the peers by a schedule, rae-auto by hand), is killed, and started again at once. The
command goes on, and ends with exit code 7. Then the program is asked what it has on record, and again after one more
start. rae-auto beside cronstable with its state on disk, and APScheduler with its jobs in SQLite, as far as they are
installed. `--seconds` is how long the command takes.
"""

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

from measuring.daemons import answers, run_rae_auto
from measuring.peers import scheduler_names
from measuring.processes import running, wait_until

DUE_AFTER = timedelta(seconds=12)
"""Time until the command is due, in which the daemon starts."""

ENDED_SECONDS = 60.0
WRITTEN_SECONDS = 1.0
"""Time in which a scheduler writes down that it has started the command, if it does."""

RECORDED_SECONDS = 10.0

APSCHEDULER_SCRIPT = """
import subprocess, sys, time
from datetime import datetime, timezone
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
scheduler = BackgroundScheduler(timezone=timezone.utc)
scheduler.add_jobstore("sqlalchemy", url="sqlite:///jobs.sqlite")
scheduler.add_listener(lambda event: open("ends", "a").write("end\\n"), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
scheduler.start()
if len(sys.argv) > 1:
    due = datetime.fromisoformat(sys.argv[2])
    scheduler.add_job(subprocess.call, "date", args=[sys.argv[1]], kwargs={"shell": True}, run_date=due)
print("ready", flush=True)
time.sleep(3600)
"""


def main(seconds: float) -> None:
    for name in scheduler_names():
        with tempfile.TemporaryDirectory() as folder:
            started, ended = Path(folder) / "started", Path(folder) / "ended"
            command = f"echo x >> {started}; sleep {seconds:g}; echo x >> {ended}; exit 7"
            print(f"{name:>12}: {describe(name, Path(folder), command, started, ended)}", flush=True)


def describe(name: str, place: Path, command: str, started: Path, ended: Path) -> str:
    """Return what became of a command whose scheduler was killed, and what the next one knows of it."""
    daemon, recall = _PROGRAMS[name]
    due = (datetime.now(UTC) + DUE_AFTER).replace(microsecond=0)
    with daemon(place, command, due) as pid:
        wait_until(started.exists, f"{name} did not start the command", ENDED_SECONDS)
        time.sleep(WRITTEN_SECONDS)
        os.kill(pid, signal.SIGKILL)
    with daemon(place, command, None):
        with suppress(RuntimeError):
            wait_until(ended.exists, "it did not end", ENDED_SECONDS)
        time.sleep(1)
        starts = len(started.read_text().split())
        went_on = "the command went on and ended" if ended.exists() else "the command did not go on"
        at_once = recall(place)
    with daemon(place, command, None):
        return f"{went_on}, {starts} start; on record: {at_once}; after one more start: {recall(place)}"


@contextmanager
def rae_auto(place: Path, command: str, due: datetime | None) -> Iterator[int]:
    config = place / "rae.toml"
    config.write_text(f'[jobs.probe]\nshell = "{command}"\n')
    config.chmod(0o600)
    with running(
        "rae-auto", [sys.executable, "-m", "rae_auto", "run"], place, lambda _: answers(place / "state")
    ) as pid:
        if due is not None:
            run_rae_auto(place, "trigger", "probe")
        yield pid


def recall_rae_auto(place: Path) -> str:
    (run,) = json.loads(run_rae_auto(place, "history", "probe", "--json"))
    return f"{run['state']}, exit code {run['exit_code']}"


@contextmanager
def cronstable(place: Path, command: str, due: datetime | None) -> Iterator[int]:
    config, port = place / "cronstable.yaml", place / "port"
    if due is not None:
        port.write_text(str(free_port()))
        config.write_text(
            f"state:\n  path: {place}/kept\nweb:\n  listen:\n    - http://127.0.0.1:{port.read_text()}\njobs:\n"
            f'  - name: probe\n    command: "{command}"\n    schedule: "{due:%S %M %H %d %m} * {due:%Y}"\n'
        )
    program = [sys.executable, "-m", "cronstable", "-l", "INFO", "-c", str(config)]
    with running("cronstable", program, place, lambda said: "Job set id" in said) as pid:
        yield pid


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def recall_cronstable(place: Path) -> str:
    port = int((place / "port").read_text())
    deadline = time.monotonic() + RECORDED_SECONDS
    runs = None
    while not runs and time.monotonic() < deadline:
        with (
            suppress(OSError, ValueError, KeyError),
            closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
        ):
            connection.request("GET", "/jobs/probe/runs")
            runs = json.load(connection.getresponse())["runs"]
        time.sleep(0.5)
    return ", ".join(str(run.get("outcome", run)) for run in runs) if runs else "nothing"


@contextmanager
def apscheduler(place: Path, command: str, due: datetime | None) -> Iterator[int]:
    arguments = [] if due is None else [command, due.isoformat()]
    program = [sys.executable, "-c", APSCHEDULER_SCRIPT, *arguments]
    with running("APScheduler", program, place, lambda said: "ready" in said) as pid:
        yield pid


def recall_apscheduler(place: Path) -> str:
    return "its end" if (place / "ends").exists() else "nothing"


_PROGRAMS = {
    "rae-auto": (rae_auto, recall_rae_auto),
    "cronstable": (cronstable, recall_cronstable),
    "APScheduler": (apscheduler, recall_apscheduler),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    main(parser.parse_args().seconds)
