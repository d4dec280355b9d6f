"""A test that passes alone is named as flaky; one that is broken, or one of many, fails the run."""

from pathlib import Path
from typing import Protocol

import pytest
from tests.support.flaky_tests import MOST_FLAKY, run_pytest

ROOT = Path(__file__).resolve().parents[2]

FLAKY = """
import os, pathlib
def test_flaky():
    marker = pathlib.Path(__file__).with_suffix(".ran")
    assert marker.exists() or marker.touch()
def test_good():
    pass
"""


class Play(Protocol):
    def __call__(self, text: str, *options: str) -> int: ...


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run the tests of a module in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(text: str, *options: str) -> int:
        Path("test_it.py").write_text(text)
        # Other plugins take most of the time of such a run.
        return run_pytest(["-q", *options], {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})

    return run


def test_test_that_passes_alone_is_named(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    assert play(FLAKY, "-p", "xdist.plugin", "-n", "1") == 0
    assert "flaky, please mend" in capfd.readouterr().out


def test_broken_test_fails_the_run(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    assert play("def test_broken():\n    assert 0\n") == 1
    assert "flaky, please mend" not in capfd.readouterr().out


def test_many_failures_are_not_tried_again(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    tests = (f"{FLAKY.replace('flaky', f'flaky_{n}').replace('.ran', f'.ran{n}')}" for n in range(MOST_FLAKY + 1))
    assert play("".join(tests)) == 1
    assert "tried again" not in capfd.readouterr().out


def test_module_that_cannot_be_read_fails_the_run(play: Play) -> None:
    assert play("1 +") not in (0, 5)
