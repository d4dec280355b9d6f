"""The event loop while a log daemon does not read: `python tests/benchmarks/stopped_syslog.py [LINES]`.

A real daemon logs so many lines, by default 10,000, that a job prints (`output = true`), to a real rsyslogd: once while
that reads, and once while it is stopped (SIGSTOP), so that its socket is full after a few lines. Where rsyslogd isn't
installed, a socket without a reader takes its place. The lag is the longest turn of the loop, as `rae-auto health` has
it; the answers are those to a client that asks all the time.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from measuring.daemons import rae_daemon, run_rae_auto
from measuring.processes import wait_until

from rae_auto.control.client import Client

FINAL = ("succeeded", "failed", "lost")


def main(lines: int) -> None:
    for is_stopped in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            with log_daemon(place, is_stopped=is_stopped) as name:
                measure(place, lines, name)


def measure(place: Path, lines: int, name: str) -> None:
    tables = [
        f'loggers = [{{ type = "syslog", socket = "{place / "log.sock"}", output = true }}]',
        f'[jobs.chatter]\ncommand = ["seq", "{lines}"]',
    ]
    with rae_daemon(place, *tables):
        answers = []
        run = run_rae_auto(place, "trigger", "chatter").strip()
        with Client(place / "state") as client:
            while True:
                began = time.perf_counter()
                (record,) = client.call("history", run=run)
                answers.append(time.perf_counter() - began)
                if record["state"] in FINAL:
                    break
            facts = client.call("health")
    answers.sort()
    lag, worst = facts["loop"]["longest_seconds"], answers[-1]
    print(
        f"{name:>18}: {lines} lines: loop lag {lag * 1e3:.0f} ms, {len(answers)} answers: "
        f"median {median(answers) * 1e3:.1f} ms, longest {worst * 1e3:.0f} ms",
        flush=True,
    )


@contextmanager
def log_daemon(place: Path, *, is_stopped: bool) -> Iterator[str]:
    """Run rsyslogd on a socket of its own; yield what the line of the result calls it."""
    path, program = place / "log.sock", shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unread:
            unread.bind(str(path))
            yield "unread socket"
        return
    config = place / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{place}")\nmodule(load="imuxsock" SysSock.Use="off")\n'
        f'input(type="imuxsock" Socket="{path}" RateLimit.Interval="0")\n'
        f'action(type="omfile" file="{place / "lines"}")\n'
    )
    command = [program, "-n", "-f", str(config), "-i", str(place / "pid")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(path.exists, "rsyslogd did not open its socket")
        if is_stopped:
            process.send_signal(signal.SIGSTOP)
        yield "rsyslogd stopped" if is_stopped else "rsyslogd reading"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
