"""The screen of `rae-auto top`: `python tests/benchmarks/top.py [JOBS] [UPDATES]`.

In a pseudo-terminal of 80 by 24, beside a daemon: processor time and bytes until the first frame and until the
complete one, bytes for each step of the selection, and bytes while nothing happens.
"""

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

from measuring.daemons import rae_daemon
from measuring.processes import NotReady, cpu_seconds, environment, stop

JOB = '[jobs.job-{number}]\ncommand = ["true"]\nschedule = "{minute} {hour} * * *"\n'
SETTLED_SECONDS = 1.5
IDLE_SECONDS = 3.0


def read(main: int, seconds: float) -> bytes:
    """Return what is written within some time."""
    end, found = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0 and select.select([main], [], [], left)[0]:
        found += os.read(main, 1 << 16)
    return found


def read_until(main: int, word: str, seconds: float = 90.0) -> int:
    """Return how many bytes are written until a word is; raises NotReady if it isn't in time."""
    end, found = time.monotonic() + seconds, b""
    while word.encode() not in found:
        if time.monotonic() > end:
            raise NotReady(f'the screen doesn\'t show "{word}"')
        if select.select([main], [], [], 0.1)[0]:
            found += os.read(main, 1 << 16)
    return len(found)


def main(jobs: int, updates: int) -> None:
    tables = [JOB.format(number=number, minute=number % 60, hour=number // 60 % 24) for number in range(jobs)]
    with tempfile.TemporaryDirectory() as name, rae_daemon(Path(name), *tables):
        place = Path(name)
        main_end, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        variables = {**environment(place), "TERM": "xterm-256color", "COLORTERM": ""}
        command = [sys.executable, "-m", "rae_auto", "top"]
        began = time.perf_counter()
        process = subprocess.Popen(command, env=variables, cwd=place, stdin=other, stdout=other, stderr=other)
        os.close(other)
        try:
            for frame, word in (("first", "reading"), ("complete", "All is well")):
                count = read_until(main_end, word)
                took = time.perf_counter() - began
                print(f"{frame} frame: {cpu_seconds(process.pid):.2f} s of CPU, {took:.2f} s, {count:,} bytes more")
            read(main_end, SETTLED_SECONDS)
            sizes = []
            for _ in range(updates):
                os.write(main_end, b"j")
                sizes.append(len(read(main_end, SETTLED_SECONDS)))
            print(f"step of the selection: median {statistics.median(sizes):,.0f} bytes, most {max(sizes):,}")
            print(f"nothing happens: {len(read(main_end, IDLE_SECONDS))} bytes in {IDLE_SECONDS:g} s")
        finally:
            stop(process)
            os.close(main_end)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(*(numbers + [100, 10][len(numbers) :]))
