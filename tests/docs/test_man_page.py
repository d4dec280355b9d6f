"""The man page: every command and option, and no warning of groff."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rae_auto.cli.command_index import COMMANDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rae-auto.1"


@pytest.fixture(scope="module")
def formatted_page() -> str:
    if shutil.which("groff") is None:
        pytest.skip("groff is missing, so the man page isn't formatted")
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=100n", PAGE]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0
    assert ran.stderr == ""
    return ran.stdout


def test_the_man_page_has_every_command(formatted_page: str) -> None:
    headings = {line.strip() for line in formatted_page.splitlines() if line.startswith("   rae-auto ")}
    assert {f"rae-auto {name}" for name in COMMANDS} <= headings


def test_the_man_page_has_options_and_keeps_fixed_lines(formatted_page: str) -> None:
    assert "--force" in formatted_page
    assert "EXIT STATUS" in formatted_page
    assert "bash:" in formatted_page
