"""`rae-auto --version` and `rae-auto status` against a bare interpreter: `python tests/benchmarks/command_line.py`."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 30


def main() -> None:
    program = str(Path(sys.executable).with_name("rae-auto"))
    with tempfile.TemporaryDirectory() as place:
        environment = {**os.environ, "RAE_STATE_DIR": str(Path(place) / "state")}
        config = Path(place) / "rae.toml"
        config.write_text('[jobs.a]\ncommand = ["true"]\nschedule = "0 4 * * *"\n')
        config.chmod(0o600)
        daemon = subprocess.Popen(
            [program, "run", "--config", str(config)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not (Path(place) / "state" / "control.sock").exists():
                time.sleep(0.05)
            bare = milliseconds([sys.executable, "-I", "-S", "-c", "pass"], environment)
            for name, command in {
                "bare interpreter": [sys.executable, "-I", "-S", "-c", "pass"],
                "interpreter with site": [sys.executable, "-c", "pass"],
                "--version": [program, "--version"],
                "--help": [program, "--help"],
                "status": [program, "status"],
                "list": [program, "list"],
            }.items():
                taken = milliseconds(command, environment)
                print(f"{name:>22}: {taken:6.1f} ms, {taken / bare:4.1f} times bare")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


def milliseconds(command: list[str], environment: dict[str, str]) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
