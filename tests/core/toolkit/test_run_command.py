"""The public way to run a command: its answer within a time, its defaults, and what ends it."""

import asyncio
import sys
from pathlib import Path

import pytest

from rae_auto.paths import home_or_root
from rae_auto.toolkit.commands import CommandNotStarted, run_command


def test_command_has_few_variables_and_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_DAEMON", "leaked")
    code = "import os; print(os.getcwd(), os.environ.get('OF_THE_DAEMON'))"
    result = asyncio.run(run_command([sys.executable, "-c", code], 50))
    assert (result.code, result.output.decode().split()) == (0, [str(home_or_root().resolve()), "None"])


def test_command_in_a_folder_with_errors_and_variables(tmp_path: Path) -> None:
    code = "import os, sys; print(os.path.basename(os.getcwd()), os.environ['A'], file=sys.stderr); sys.exit(3)"
    words = [sys.executable, "-c", code]
    result = asyncio.run(run_command(words, 50, directory=tmp_path, environment={"A": "1"}, with_errors=True))
    assert (result.code, result.output.decode().split()) == (3, [tmp_path.name, "1"])


def test_command_that_is_missing_or_slow_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandNotStarted):
        asyncio.run(run_command(["there-is-no-such-program"], 50))
    with pytest.raises(TimeoutError):
        asyncio.run(run_command(["sleep", "100"], 0.05))
