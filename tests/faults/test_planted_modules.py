"""Files in the folder in which a command is typed, or where a job works, never become part of the daemon."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

NAMES = ("json", "attrs", "click", "pluggy", "loguru", "selectors", "rae_plugins", "sitecustomize")

JOB = """
[jobs.works]
command = ["true"]
cwd = "{home}"
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with modules that leave a trace when they are imported; return where the trace would be."""
    trace = tmp_path / "imported"
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(
            f"open({str(trace)!r}, 'a').write({name!r})\nraise ImportError('planted')\n"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return trace


@pytest.mark.requirement("S20")
@pytest.mark.parametrize("arguments", [["--version"], ["status"], ["plugins"], ["check"], ["history"]])
def test_commands_import_nothing_from_the_working_directory(planted: Path, arguments: list[str]) -> None:
    (planted.parent / "rae.toml").write_text('[jobs.works]\ncommand = ["true"]\n')
    (planted.parent / "rae.toml").chmod(0o600)
    environment = {**os.environ, "RAE_STATE_DIR": str(planted.parent / "state")}
    command = [str(Path(sys.executable).with_name("rae-auto")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert "planted" not in done.stderr
    assert not planted.exists()


@pytest.mark.requirement("S20")
def test_daemon_and_keeper_import_nothing_from_the_working_directory(
    planted: Path, daemons: Callable[..., Daemons]
) -> None:
    d = daemons(JOB)
    d.command = [str(Path(sys.executable).with_name("rae-auto"))]
    d.serve()
    d.ask("trigger", job="works")
    eventually(lambda: d.ask("history", job="works", states=["succeeded"]))
    assert d.stop() == 0
    assert not planted.exists()
