"""The README's first command, typed on a machine that has Python, pip and git and nothing else of ours."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN, TEST = re.findall(r"^.*python3 -m venv .+$", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is nothing to clone")
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


@pytest.fixture
def daemon(clone: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The first command, at work in a session of its own; whatever is left of it is killed at the end."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "RAE_STATE_DIR": str(home / "state"),
    }
    with subprocess.Popen(
        ["bash", "-c", RUN],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        # Reading lines has no time limit of its own, so the end comes from outside.
        watchdog = threading.Timer(300, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        yield process
        watchdog.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.timeout(400)
def test_readme_first_command_runs_a_daemon_with_jobs_that_succeed(
    daemon: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert daemon.stdout is not None
    seen = []
    for line in daemon.stdout:
        seen.append(line)
        if re.search(r"\bdisk\b.*\bsucceeded\b", line):
            break
    else:
        pytest.fail("it ended by itself:\n" + "".join(seen))
    text = "".join(seen)
    assert any(re.search(r"\bdisk: \| Filesystem", line) for line in seen), text
    status = re.search(r"in a second terminal: '(.+? status)'", text)
    assert status is not None, text
    answer = subprocess.run(
        ["bash", "-c", status[1]], cwd="/", env={"HOME": str(tmp_path / "home")}, capture_output=True, text=True
    )
    assert "5 jobs" in answer.stdout, answer.stderr
    os.kill(int((tmp_path / "home" / "state" / "lock").read_text()), signal.SIGTERM)
    rest = daemon.stdout.read()
    assert daemon.wait() == 0, text + rest


def test_readme_first_command_speaks_before_it_creates_anything() -> None:
    assert re.match(r'echo "[^"]+" && python3 -m venv ', RUN)
    assert "-q" not in RUN.split()


def test_the_second_command_is_the_one_that_ci_runs() -> None:
    assert "tests/run_all.py" in TEST
    assert "tests/run_all.py" in (ROOT / ".ci" / "run").read_text()
