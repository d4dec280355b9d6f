"""The wheel on Windows: every module is imported, and the daemon serves with an executor that needs no processes.

Elsewhere a Python that pretends to be that of Windows stands in for it (`tests/support/pretended_windows.py`).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.platforms import IS_WINDOWS
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PRETENDED = [sys.executable, "-m", "tests.support.pretended_windows"]
PROGRAM = [sys.executable, "-m", "rae_auto"] if IS_WINDOWS else [*PRETENDED, "rae-auto"]

CONFIG = """
timezone = "Europe/Berlin"
store = "{store}"

[jobs.clock]
python = "time:time"
isolated = false
schedule = "0 18 * * *"
"""


def run(command: list[str], home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment(home), capture_output=True, text=True, timeout=60, check=False
    )


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "RAE_STATE_DIR": str(home / "state"), "RAE_CONFIG": str(home / "rae.toml")}


def test_every_module_of_the_wheel_is_imported(tmp_path):
    python = [sys.executable] if IS_WINDOWS else PRETENDED
    done = run(python, tmp_path, "tests/platforms/importing.py")
    assert (done.stderr.strip(), done.returncode) == ("", 0)


@pytest.fixture(params=["sqlite", "json"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory in which a daemon of that platform runs."""
    config = tmp_path / "rae.toml"
    config.write_text(CONFIG.replace("{store}", request.param))
    config.chmod(0o600)
    output = (tmp_path / "output").open("w")
    command = [*PROGRAM, "run"]
    with output, subprocess.Popen(command, cwd=ROOT, env=environment(tmp_path), stderr=output, stdout=output) as daemon:
        try:
            eventually(lambda: daemon.poll() is not None or "next: clock" in (tmp_path / "output").read_text())
            assert daemon.poll() is None, (tmp_path / "output").read_text()
            yield tmp_path
            assert run(PROGRAM, tmp_path, "stop").returncode == 0
            assert daemon.wait(60) == 0, (tmp_path / "output").read_text()
        finally:
            daemon.kill()


def ask(home: Path, *arguments: str) -> Any:
    done = run(PROGRAM, home, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_daemon_runs_jobs_and_stops(home):
    run_id = ask(home, "trigger", "clock", "--json")["run_id"]
    eventually(lambda: ask(home, "history", "--json")[0]["state"] == "succeeded")
    assert ask(home, "history", "--json")[0]["run_id"] == run_id
    assert "Traceback" not in (home / "output").read_text()
    assert (home / "state" / "control.port").exists()


@pytest.mark.skipif(IS_WINDOWS, reason="collection is a step of the workflow there")
@pytest.mark.timeout(300)
def test_suite_can_be_collected(tmp_path):
    # Those left out are for the platform itself, or need what the tools of the documentation find in `os`.
    left_out = ["--ignore=tests/docs", "--ignore=tests/platforms/test_running_jobs.py", "--ignore=tests/fuzz"]
    pytest_words = ["-p", "tests.support.pretended_collection", "-p", "no:randomly", "-p", "no:xdist"]
    words = [*pytest_words, "--timeout-method=thread", "--collect-only", "-q", *left_out, "tests"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if line.startswith(("ERROR", "E  "))]
    assert (errors, done.returncode) == ([], 0)
