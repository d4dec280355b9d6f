"""Pages with commands beside a daemon print what it prints when they are played again, but for numbers."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_played_pages_print_what_a_daemon_prints() -> None:
    command = [sys.executable, ROOT / "docs" / "played.py", "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, f"run: python docs/played.py\n{ran.stdout}{ran.stderr}"
