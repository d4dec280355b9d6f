"""A real daemon of a configuration, in a directory of its own, for those that measure one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

WAIT_SECONDS = 30.0


@contextmanager
def daemon_of(place: Path, *tables: str) -> Iterator[int]:
    """The daemon with these tables as its configuration, once it answers; its pid."""
    config = place / "rae.toml"
    config.write_text('timezone = "UTC"\n' + "\n".join(map(dedent, tables)))
    config.chmod(0o600)
    log = place / "log"
    with log.open("wb") as output:
        started = subprocess.Popen([*_RAE, "run"], env=_environment(place), stdout=output, stderr=output, cwd=place)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not (place / "state" / "control.sock").exists():
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def run_rae_auto(place: Path, *words: str) -> str:
    """Return the output of a command of rae-auto in this directory."""
    command = [*_RAE, *words]
    return subprocess.run(
        command, env=_environment(place), cwd=place, check=True, capture_output=True, text=True
    ).stdout


_RAE = (sys.executable, "-m", "rae_auto")


def _environment(place: Path) -> dict[str, str]:
    return {**os.environ, "RAE_STATE_DIR": str(place / "state"), "HOME": str(place)}
