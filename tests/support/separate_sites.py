"""Programs that run with a folder of distributions of their own, several commands in one process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_COMMANDS = """
import contextlib, io, json, sys
from rae_auto.cli.entry import run
found = []
for arguments in json.loads(sys.argv[1]):
    sys.stdout = out = io.StringIO()
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        code = run(arguments)
    sys.stdout = sys.__stdout__
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""


def run_python(site: Path, source: str, *arguments: str) -> Any:
    """Run a program that prints JSON, with the distributions of a folder before the installed ones."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "RAE_STATE_DIR": str(site.parent / "state"),
        "PYTHONWARNINGS": "error::DeprecationWarning:rae_auto",
    }
    command = [sys.executable, "-c", source, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=55, env=environment, cwd=site.parent, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run_commands(site: Path, *commands: Sequence[str]) -> list[tuple[int, str, str]]:
    """Run commands in one process; return the exit code, the output and the error output of each."""
    return [tuple(one) for one in run_python(site, _COMMANDS, json.dumps(commands))]


def add_distribution(site: Path, name: str, version: str, entry_points: str) -> None:
    """Add the metadata of a distribution, as an installer leaves it."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)
