"""Benchmarks run in small, so that none breaks unnoticed; their figures are for a quiet machine and larger numbers."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

SMALL = {
    "chains": "3",
    "commands": "20",
    "history": "200",
    "lateness": "20",
    "memory": "3",
    "simulation": "1",
    "start_up": "20",
}
"""The smallest useful argument of each benchmark that ends within seconds."""


@pytest.mark.parametrize("name", SMALL)
def test_benchmark_runs_in_small(name: str) -> None:
    command = [sys.executable, str(HERE / f"{name}.py"), SMALL[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
