"""The screen of `rae-auto top`, in a pseudo-terminal of 80 by 24 beside a daemon with a hundred jobs."""

import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from figures import report
from measuring.daemons import rae_daemon
from measuring.processes import NotReady, cpu_seconds, environment, resident_mb, stop

JOB = '[jobs.job-{number}]\ncommand = ["true"]\nschedule = "{minute} {hour} * * *"\n'
SETTLED_SECONDS = 1.5
IDLE_SECONDS = 3.0
SMALL_SIZE = 2


def measure_top(steps: int, _: str) -> dict[str, float]:
    """Start the view, and step through its jobs so many times."""
    jobs = 3 if steps <= SMALL_SIZE else 100
    tables = [JOB.format(number=number, minute=number % 60, hour=number // 60 % 24) for number in range(jobs)]
    with tempfile.TemporaryDirectory() as name, rae_daemon(Path(name), *tables):
        place = Path(name)
        if steps > SMALL_SIZE:
            _look(place, 0)  # It writes the bytecode, which an installation has.
        return _look(place, steps)


def _look(place: Path, steps: int) -> dict[str, float]:
    main_end, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    variables = {name: value for name, value in environment(place).items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables |= {"TERM": "xterm-256color", "COLORTERM": "", "PYTHONPYCACHEPREFIX": str(place / "bytecode")}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "rae_auto", "top"], env=variables, cwd=place, stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    figures = {}
    try:
        for frame, word in (("first", "reading"), ("complete", "All is well")):
            count = _read_until(main_end, word)
            figures[f"{frame} frame, ms"] = (time.perf_counter() - began) * 1e3
            figures[f"{frame} frame, processor ms"] = cpu_seconds(process.pid) * 1e3
            figures[f"{frame} frame, bytes more"] = count
        _read(main_end, SETTLED_SECONDS)
        figures["resident, MB"] = resident_mb(process.pid)
        if steps:
            sizes = [_step(main_end) for _ in range(steps)]
            figures["a step of the selection, bytes"] = statistics.median(sizes)
            figures["nothing happens, bytes a second"] = len(_read(main_end, IDLE_SECONDS)) / IDLE_SECONDS
    finally:
        stop(process)
        os.close(main_end)
    return figures


def _step(main_end: int) -> int:
    os.write(main_end, b"j")
    return len(_read(main_end, SETTLED_SECONDS))


def _read(main_end: int, seconds: float) -> bytes:
    """Return what is written within some time."""
    end, found = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0 and select.select([main_end], [], [], left)[0]:
        found += os.read(main_end, 1 << 16)
    return found


def _read_until(main_end: int, word: str, seconds: float = 90.0) -> int:
    """Return how many bytes are written until a word is; raises NotReady if it isn't in time."""
    end, found = time.monotonic() + seconds, b""
    while word.encode() not in found:
        if time.monotonic() > end:
            raise NotReady(f'the screen doesn\'t show "{word}"')
        if select.select([main_end], [], [], 0.1)[0]:
            found += os.read(main_end, 1 << 16)
    return len(found)


if __name__ == "__main__":
    report({"top": measure_top})
