"""Benchmarks run in small, so that none breaks unnoticed; their figures are for a quiet machine and larger numbers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from tests.benchmarks.table.lines import FLOOR, LINES, OURS
from tests.benchmarks.table.measurement import Measured
from tests.benchmarks.table.text import format_line
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

HERE = Path(__file__).parent

SMALL = {
    "all_triggers": ["--seconds", "1", "--settle", "1", "(all)"],
    "chains": ["3"],
    "clock_changes": ["Europe/Berlin", "2026-10-25"],
    "file_events": ["--files", "40", "--watched", "100", "--delays", "3", "--seconds", "0.4"],
    "file_to_start": ["3"],
    "killed": ["--seconds", "1"],
    "notice_to_peer": ["6", "--at-once", "3"],
    "memory_of_notices": ["1"],
    "stopped_syslog": ["20"],
    "plugin_trial": ["2"],
    "webhook": ["32"],
}
"""The smallest useful arguments of each benchmark, with which it ends within seconds."""


def run_benchmark(name: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
    environment: Mapping[str, str] = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


def test_every_benchmark_is_run_in_small() -> None:
    scripts = {path.stem for path in HERE.glob("*.py") if not path.stem.startswith("test_")} - {"__main__"}
    assert scripts == set(SMALL), "a benchmark needs its smallest useful arguments in SMALL, in test_benchmarks.py"


@pytest.mark.parametrize("name", [name for name in SMALL if name != "webhook"])
def test_benchmark_runs_in_small(name: str) -> None:
    done = run_benchmark(name, *SMALL[name])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("line", [line.name for line in LINES])
def test_line_of_the_table_is_measured_in_small(line: str, tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    earlier = {"line": LINES[-1].name, "size": 123456, "values": {}}
    written.write_text(json.dumps({"lines": [earlier]}))
    command = [sys.executable, "-m", "tests.benchmarks", line, "--small", "--repeats", "1", "--json", str(written)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=HERE.parent.parent)
    assert done.returncode == 0, done.stderr
    measured, left_alone = json.loads(written.read_text())["lines"]
    assert left_alone == earlier
    assert (measured["repeats"], measured["load"] >= 0) == (1, True)
    failed = {name: reason for name, reason in measured["left_out"].items() if not reason.startswith("not measured")}
    assert (measured["line"], failed) == (line, {})
    assert OURS in measured["values"], done.stdout
    assert line in done.stdout


@pytest.mark.parametrize(("subject", "figure"), [("jobs", "lateness of 100, p99 ms"), ("runs", "why, ms")])
def test_growth_is_measured_in_small(subject: str, figure: str, tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.benchmarks", "growth", subject, "--size", "20", "--json", str(written)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=HERE.parent.parent)
    assert done.returncode == 0, done.stderr
    assert json.loads(written.read_text())[subject]["20"][figure] >= 0
    assert figure in done.stdout


def test_soak_is_run_in_small(tmp_path: Path) -> None:
    written = tmp_path / "samples.json"
    command = [sys.executable, "-m", "tests.benchmarks", "soak", "--minutes", "0.05", "--rate", "3"]
    command += ["--json", str(written)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=HERE.parent.parent)
    assert done.returncode == 0, done.stderr
    (sample,) = json.loads(written.read_text())
    assert sample["descriptors"] > 0
    assert "  store_mb" in done.stdout


def test_unknown_line_is_refused_with_those_that_there_are() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "lateniss"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=HERE.parent.parent)
    assert done.returncode == 2
    assert 'no line "lateniss"; there are: lateness, ' in done.stderr


def test_figures_are_shown_with_their_ratios() -> None:
    line = next(line for line in LINES if line.name == "lateness")
    figures = {OURS: [10.0, 12.0, 30.0], "huey, SQLite": [120.0, 240.0, 60.0], FLOOR: [4.0, 4.0, 6.0]}
    measured = Measured({name: {"p50": values} for name, values in figures.items()}, {"APScheduler 3": "left out"})
    heading, *rows = format_line(line, 1_000, measured).strip().splitlines()
    assert heading == "lateness: how late 1,000 Python functions start that are due in the same second (ms)"
    assert [row.split(maxsplit=1)[1].split() for row in rows[:1]] == [
        ["rae-auto", "12.0", "(10.0", "to", "30.0)", "3.00", "times", "the", "floor"]
    ]
    assert rows[1].endswith("10.00 times rae-auto, 30.00 times the floor")
    assert rows[-1] == "  APScheduler 3: left out"


def test_figures_are_shown_with_their_goals() -> None:
    line = next(line for line in LINES if line.name == "pages")
    measured = Measured(
        {OURS: {"resident, MB": [57.0], "first load, kB": [101.0], "start to the first page, ms": [9.0]}}
    )
    _, *rows = format_line(line, 50, measured).strip().splitlines()
    assert rows[0].endswith("57.0  (57.0 to 57.0)  goal 60.0")
    assert rows[1].endswith("101  (101 to 101)  goal 100, missed")
    assert rows[2].endswith("9.00  (9.00 to 9.00)")


def test_server_of_a_history_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    program = f"""
import os, signal
from pathlib import Path
from measuring.history_server import serving_history
with serving_history(Path({str(tmp_path / "state")!r}), 1) as pid:
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = run_code(program)
    assert done.returncode == -signal.SIGKILL, done.stderr
    server = int(done.stdout)
    eventually(lambda: not psutil.pid_exists(server) or psutil.Process(server).status() == psutil.STATUS_ZOMBIE)


def test_benchmark_of_the_webhook_runs_in_small(tmp_path: Path) -> None:
    site = install_contrib_plugin("rae-trigger-webhook", tmp_path)
    done = run_benchmark("webhook", *SMALL["webhook"], PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_benchmark_of_the_webhook_says_what_it_needs() -> None:
    done = run_benchmark("webhook", "1", PYTHONPATH="")
    if done.returncode == 0:
        pytest.skip("rae-trigger-webhook is installed")
    assert "pip install contrib/rae-trigger-webhook" in done.stderr


def run_code(code: str) -> "subprocess.CompletedProcess[str]":
    """Run code as a benchmark: what they share is found beside them."""
    variables = {**os.environ, "PYTHONPATH": str(HERE)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=variables)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("print('said', flush=True); import time; time.sleep(60)", "it was not ready within 0.5 s"),
        ("print('said'); raise SystemExit(3)", "it ended with exit code 3 before it was ready"),
    ],
)
def test_waiting_for_a_daemon_ends_and_says_why(script: str, problem: str, tmp_path: Path) -> None:
    done = run_code(
        f"""
import sys
from pathlib import Path
from measuring.processes import running
with running("it", [sys.executable, "-c", {script!r}], Path({str(tmp_path)!r}), lambda said: "ready" in said, 0.5):
    print("is ready")
"""
    )
    assert problem in done.stderr
    assert "its output ends with:\n" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("no-such-peer", "no-such-peer isn't installed; install it with 'pip install no-such-peer'"),
        ("attrs<1", "and the benchmark needs one below 1; install it with 'pip install \"attrs<1\"'"),
    ],
)
def test_peer_that_is_not_there_is_left_out_with_a_reason(requirement: str, reason: str) -> None:
    done = run_code(f"from measuring.peers import is_installed; print(is_installed('Peer', {requirement!r}))")
    line, answer = done.stdout.splitlines()
    assert line.startswith("Peer is left out: ")
    assert reason in line
    assert answer == "False"
