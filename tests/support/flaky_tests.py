"""Tests that fail in a whole run and pass alone: `run_pytest` tells them apart from tests that fail.

Thousands of tests on a few workers share the cores with the daemons, servers and browsers that they start. One that
fails there because of the load, the minute or what ran before it is flaky: it needs mending, and is named at the end,
but says nothing about the product. What is broken fails alone, too.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

MOST_FLAKY = 5
"""More failures than this are not tried again: the product is broken, or the machine."""

FAILED_VARIABLE = "RAE_TESTS_FAILED"
"""Names the file that gets the id of each test that failed."""

TESTS_FAILED = 1
"""Exit code of pytest after a run in which tests failed, and nothing worse happened."""


def run_pytest(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run pytest, and then the few tests that failed, one after the other; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="rae-flaky-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "failed")
        path.touch()
        variables = {**os.environ, **environment, FAILED_VARIABLE: str(path)}
        command = [sys.executable, "-m", "pytest", "-p", "tests.support.flaky_tests"]
        code = subprocess.call([*command, *arguments], env=variables, stdin=subprocess.DEVNULL)
        failed = list(dict.fromkeys(path.read_text(encoding="utf-8").splitlines()))
        if code != TESTS_FAILED or not 0 < len(failed) <= MOST_FLAKY:
            return code
        print("--- tried again, alone:", *failed, sep="\n    ", flush=True)
        code = subprocess.call([*command, "-p", "no:randomly", *failed], env=variables, stdin=subprocess.DEVNULL)
    if code == 0:
        print(
            "--- flaky, please mend: they failed among all tests, and passed alone", *failed, sep="\n    ", flush=True
        )
    return code


class FailureRecorder:
    """Notes the id of each test that fails."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{report.nodeid}\n")


def pytest_configure(config: pytest.Config) -> None:
    """Record failures where the reports of all workers of pytest-xdist arrive."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailureRecorder(Path(os.environ[FAILED_VARIABLE])))
