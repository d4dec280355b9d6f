"""Benchmarks run in small, so that none breaks unnoticed; their figures are for a quiet machine and larger numbers."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.contrib_plugins import install_contrib_plugin

HERE = Path(__file__).parent

SMALL = {
    "all_triggers": ["--seconds", "1", "--settle", "1", "(all)"],
    "chains": ["3"],
    "command_line": ["1"],
    "commands": ["20"],
    "file_events": ["--files", "40", "--watched", "100", "--delays", "3", "--seconds", "0.4"],
    "file_to_start": ["3"],
    "history": ["200"],
    "idle": ["--seconds", "1", "--jobs", "3", "--settle", "0"],
    "lateness": ["20"],
    "lateness_of_commands": ["3", "--within", "4"],
    "memory": ["3"],
    "notice_to_peer": ["6", "--at-once", "3"],
    "memory_of_notices": ["1"],
    "simulation": ["1"],
    "start_up": ["20"],
    "stopped_syslog": ["20"],
    "webhook": ["32"],
}
"""The smallest useful arguments of each benchmark, with which it ends within seconds."""


def run_benchmark(name: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
    environment: Mapping[str, str] = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


def test_every_benchmark_is_run_in_small() -> None:
    scripts = {path.stem for path in HERE.glob("*.py")} - {Path(__file__).stem}
    assert scripts == set(SMALL), "a benchmark needs its smallest useful arguments in SMALL, in test_benchmarks.py"


@pytest.mark.parametrize("name", [name for name in SMALL if name != "webhook"])
def test_benchmark_runs_in_small(name: str) -> None:
    done = run_benchmark(name, *SMALL[name])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


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
