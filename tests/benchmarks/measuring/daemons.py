"""A real daemon of rae-auto with a configuration of its own, for the benchmarks that measure one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from measuring.processes import environment, running

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable

_RAE_AUTO = (sys.executable, "-m", "rae_auto")


@contextmanager
def rae_daemon(place: Path, *tables: str) -> Iterator[int]:
    """Run a daemon with these tables as its configuration; yield its pid once it answers."""
    config = place / "rae.toml"
    config.write_text('timezone = "UTC"\n' + "\n".join(map(dedent, tables)))
    config.chmod(0o600)
    with running("rae-auto", [*_RAE_AUTO, "run"], place, lambda _: answers(place / "state")) as pid:
        yield pid


def answers(state: Path) -> bool:
    """Return whether a daemon of this state directory answers."""
    try:
        with Client(state) as client:
            client.call("ping")
    except DaemonUnreachable:
        return False
    return True


def run_rae_auto(place: Path, *arguments: str) -> str:
    """Return what a command prints that talks to the daemon of `place`."""
    command = [*_RAE_AUTO, *arguments]
    return subprocess.run(command, env=environment(place), cwd=place, check=True, capture_output=True, text=True).stdout
