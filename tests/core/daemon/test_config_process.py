"""A large configuration is read in a process of its own: with the same outcome, and no trace in the daemon's memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import eventually

from rae_auto.daemon import config_process

SCRIPT = """
import io, json, os, signal, sys
from pathlib import Path
from rae_auto.config import load
from rae_auto.daemon import config_process
from rae_auto.daemon.config_process import ConfigReading
from rae_auto.errors import ConfigError
from rae_auto.registry import Registry

def outcome(read, registry):
    try:
        config = read()
    except ConfigError as error:
        return list(error.problems), []
    return repr(config), [info.name for info in registry.infos() if "TICK" in info.name]

if Path("fails_in_child").exists():
    Path("fails_in_child").write_text(str(os.getpid()))
if Path("answers_half").exists():
    class HalfPipe(io.FileIO):
        def write(self, data):
            super().write(bytes(data)[: len(data) // 2])
            self.close()
            os._exit(1)
    config_process.open = lambda file, mode: HalfPipe(file, mode) if mode == "wb" else open(file, mode)
if Path("ignores_children").exists():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
path, apart, here = Path(sys.argv[1]), Registry(), Registry()
reading = ConfigReading.start(path, apart)
is_apart = reading._answer is not None
read_by_child = outcome(reading.finish, apart)
was_loaded = "rae_plugins.triggers.cron" in sys.modules
same = read_by_child == outcome(lambda: load(path, here), here)
print(json.dumps([is_apart, was_loaded, same, read_by_child]))
"""

PLUGIN = '''
import os
from datetime import datetime, timedelta
from attrs import frozen
from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl

@frozen
class Tick(ScheduleTrigger):
    """Fires each hour."""

    type = "TICK"

    def __attrs_post_init__(self) -> None:
        in_child = os.path.exists("fails_in_child") and os.getppid() == int(open("fails_in_child").read())
        if in_child and os.path.exists("hangs"):
            open("hangs", "w").write(str(os.getpid()))
            open("pipe").read()
        if in_child:
            os._exit(1)

    def next_after(self, instant: datetime) -> datetime:
        return instant + timedelta(hours=1)

@hookimpl
def rae_triggers():
    return [Tick]
'''


def large(line: str = "") -> str:
    """Return a file that is large by a comment, so that the tests are fast."""
    jobs = "".join(f'[jobs.j{n}]\ncommand = ["true"]\nschedule = "{n} 4 * * *"\n{line}' for n in range(20))
    return jobs + f"# {'x' * config_process.MIN_BYTES}\n"


def read(folder: Path, text: str) -> tuple[bool, bool, bool, Any]:
    """Return whether a child read it, what it imported, whether the outcome is that of `load`, and the outcome."""
    path = folder / "rae.toml"
    path.write_text(text)
    path.chmod(0o600)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    is_apart, was_loaded, is_same, outcome = json.loads(done.stdout)
    return is_apart, was_loaded, is_same, outcome


needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="tested where a child may be a copy of its parent")


@needs_fork
def test_large_configuration_is_read_by_a_child(tmp_path: Path) -> None:
    is_apart, was_loaded, is_same, (config, _) = read(tmp_path, large())
    assert (is_apart, was_loaded, is_same) == (True, False, True)
    assert "j17" in config


def test_small_configuration_is_read_in_place(tmp_path: Path) -> None:
    is_apart, was_loaded, is_same, _ = read(tmp_path, '[jobs.a]\ncommand = ["true"]\nschedule = "0 4 * * *"\n')
    assert (is_apart, was_loaded, is_same) == (False, True, True)


@needs_fork
def test_problems_found_by_a_child_are_the_same(tmp_path: Path) -> None:
    is_apart, _, is_same, (problems, _) = read(tmp_path, large("timeot = 3\n"))
    assert is_apart and is_same
    assert "rae.toml:4: jobs.j0.timeot: " in problems[0]


@needs_fork
@pytest.mark.parametrize("fails", [False, True])
def test_plugins_chosen_by_a_large_file_are_used(tmp_path: Path, fails: bool) -> None:
    (tmp_path / "tick.py").write_text(PLUGIN)
    (tmp_path / "tick.py").chmod(0o600)
    if fails:
        # What ends the child in its midst is met again, or not, where the file is then read.
        (tmp_path / "fails_in_child").touch()
    text = '[plugins]\npaths = ["tick.py"]\n' + large() + '[jobs.tick]\ncommand = ["true"]\ntrigger = "TICK"\n'
    is_apart, was_loaded, is_same, (_, names) = read(tmp_path, text)
    assert (is_apart, was_loaded, is_same) == (True, fails, True)
    assert names == ["TICK"]


@needs_fork
def test_answer_that_is_cut_off_is_no_answer(tmp_path: Path) -> None:
    # As when the kernel ends the child for want of memory while it writes.
    (tmp_path / "answers_half").touch()
    is_apart, was_loaded, is_same, _ = read(tmp_path, large())
    assert (is_apart, was_loaded, is_same) == (True, True, True)


@needs_fork
def test_child_is_used_where_ends_of_children_are_ignored(tmp_path: Path) -> None:
    # A program that starts the daemon may have it so, and the kernel then takes ended children away by itself.
    (tmp_path / "ignores_children").touch()
    is_apart, was_loaded, is_same, _ = read(tmp_path, large())
    assert (is_apart, was_loaded, is_same) == (True, False, True)


@needs_fork
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the kernel ends no child with its parent")
def test_child_that_hangs_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "tick.py").write_text(PLUGIN)
    (tmp_path / "tick.py").chmod(0o600)
    (tmp_path / "fails_in_child").touch()
    (tmp_path / "hangs").touch()
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "rae.toml"
    path.write_text('[plugins]\npaths = ["tick.py"]\n[jobs.tick]\ncommand = ["true"]\ntrigger = "TICK"\n' + large())
    path.chmod(0o600)
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], cwd=tmp_path) as parent:
        eventually(lambda: (tmp_path / "hangs").read_text() != "")
        child = int((tmp_path / "hangs").read_text())
        parent.kill()
    eventually(lambda: not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text())
