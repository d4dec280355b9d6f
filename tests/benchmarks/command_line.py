"""Commands beside a bare interpreter: `python tests/benchmarks/command_line.py [REPEATS]`.

Each is a process of its own, and its figure the median of so many.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring.daemons import rae_daemon
from measuring.processes import environment

BARE = [sys.executable, "-I", "-S", "-c", "pass"]
JOB = '[jobs.a]\ncommand = ["true"]\nschedule = "0 4 * * *"\n'


def main(repeats: int) -> None:
    program = str(Path(sys.executable).with_name("rae-auto"))
    commands = {
        "bare interpreter": BARE,
        "interpreter with site": [sys.executable, "-c", "pass"],
        "--version": [program, "--version"],
        "--help": [program, "--help"],
        "status": [program, "status"],
        "list": [program, "list"],
    }
    with tempfile.TemporaryDirectory() as place, rae_daemon(Path(place), JOB):
        bare = milliseconds(BARE, Path(place), repeats)
        for name, command in commands.items():
            taken = milliseconds(command, Path(place), repeats)
            print(f"{name:>22}: {taken:6.1f} ms, {taken / bare:4.1f} times bare", flush=True)


def milliseconds(command: list[str], place: Path, repeats: int) -> float:
    """Return the median time of a command."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, env=environment(place), cwd=place, check=True, stdout=subprocess.DEVNULL)
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
