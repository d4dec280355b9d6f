"""Processes that benchmarks start: waited for with a deadline, ended for certain, and measured."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
MAX_LOG_CHARACTERS = 2_000


class NotReady(RuntimeError):
    """A process that ended, or said nothing in time, instead of becoming ready."""


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    place: Path,
    is_ready: Callable[[str], bool],
    within: float = READY_SECONDS,
) -> Iterator[int]:
    """Run a command in `place` as its home and state directory; yield its pid once it is ready.

    `is_ready` is asked with what the process has printed so far. Raises `NotReady`, with the end of that, if the
    process ends first or isn't ready within so many seconds.
    """
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment(place), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=place
        )
    try:
        _wait_until_ready(name, process, log, is_ready, within)
        yield process.pid
    finally:
        stop(process)


def _wait_until_ready(
    name: str, process: "subprocess.Popen[bytes]", log: Path, is_ready: Callable[[str], bool], within: float
) -> None:
    deadline = time.monotonic() + within
    while not is_ready(said := log.read_text(errors="replace")):
        if process.poll() is not None:
            raise NotReady(_problem(f"{name} ended with exit code {process.returncode} before it was ready", said))
        if time.monotonic() > deadline:
            raise NotReady(_problem(f"{name} was not ready within {within:g} s", said))
        time.sleep(POLL_SECONDS)


def _problem(sentence: str, said: str) -> str:
    return f"{sentence}; its output ends with:\n{said[-MAX_LOG_CHARACTERS:] or '(nothing)'}"


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process with SIGTERM, or with SIGKILL if that does not help."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(
    happened: Callable[[], object], problem: str, within: float = READY_SECONDS, interval: float = 0.002
) -> None:
    """Return once something has happened; raises `NotReady` with the problem after so many seconds."""
    deadline = time.monotonic() + within
    while not happened():
        if time.monotonic() > deadline:
            raise NotReady(f"{problem} within {within:g} s")
        time.sleep(interval)


def environment(place: Path) -> dict[str, str]:
    """Return the variables of a process that has its home and its state directory in `place`."""
    return {**os.environ, "RAE_STATE_DIR": str(place / "state"), "HOME": str(place), "PYTHONUNBUFFERED": "1"}


def cpu_seconds(pid: int, with_children: bool = False) -> float:
    """Return the processor time of a process so far, with that of its children that have ended if asked to."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return sum(map(int, fields[11 : 15 if with_children else 13])) / os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """Return the processor time of the threads of a process so far, to the nanosecond."""
    found = (task / "schedstat" for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int(schedstat.read_text().split()[0]) for schedstat in found) / 1e9


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    (line,) = (line for line in _status_lines(Path(f"/proc/{pid}")) if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def wake_ups(pid: int) -> int:
    """Return how often the threads of a process have gone to sleep so far: once after each wake-up."""
    lines = (line for thread in Path(f"/proc/{pid}/task").iterdir() for line in _status_lines(thread))
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def _status_lines(process: Path) -> list[str]:
    return (process / "status").read_text().splitlines()
