"""The tutorial of a whole project goes through, from nothing to an installed plugin, and prints what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(500)
def test_commands_of_the_tutorial_print_what_the_page_says() -> None:
    command = [sys.executable, ROOT / "docs" / "session.py", "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=480)
    assert ran.returncode == 0, f"run: python docs/session.py\n{ran.stdout}{ran.stderr}"
