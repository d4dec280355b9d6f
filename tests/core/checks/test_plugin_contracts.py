"""Contracts of plugins that `check` holds: kinds of jobs, and warnings of every kind of plugin."""

from pathlib import Path

import pytest

from rae_auto.checks.check import check_file
from rae_auto.config import Report
from rae_auto.registry import Registry

PLUGINS = '''
from attrs import field, frozen
from rae_auto.api import Executor
from rae_auto.hookspecs import hookimpl


@frozen
class Words(Executor):
    """Runs commands alone, as executors do that say nothing else."""

    type = "words"

    async def start(self, assignment):
        raise OSError("nothing runs")


@frozen
class Options(Words):
    """Runs what its own options say."""

    type = "options"
    takes = ()


@hookimpl
def rae_executors():
    return [Words, Options]
'''


class Folder:
    """A folder with plugins in a single file and a configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "plugins").mkdir(mode=0o700)

    def check(self, text: str, plugins: str) -> Report:
        """Check a configuration that uses these plugins."""
        for file, content in (("plugins/planted.py", plugins), ("rae.toml", text)):
            (self.path / file).write_text(content)
            (self.path / file).chmod(0o600)
        return check_file(self.path / "rae.toml", Registry(), prepares=False)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("job", "problem"),
    [
        ('command = ["true"]\nexecutor = "words"', None),
        ('executor = "options"', None),
        (
            'shell = "true"\nexecutor = "words"',
            'shell: can\'t be run by the executor "words", which takes command; write that, or choose another executor',
        ),
        (
            'command = ["true"]\nexecutor = "thread"',
            'command: can\'t be run by the executor "thread", which takes python; write that, or choose another '
            "executor",
        ),
        (
            'command = ["true"]\nexecutor = "options"',
            'command: can\'t be run by the executor "options", whose own options say what to run; remove it',
        ),
    ],
)
def test_check_refuses_a_kind_of_job_that_the_executor_does_not_take(
    folder: Folder, job: str, problem: str | None
) -> None:
    report = folder.check(f'[plugins]\npaths = ["plugins/"]\n[jobs.a]\n{job}\n', PLUGINS)
    assert [line.partition("jobs.a.")[2] for line in report.errors] == ([] if problem is None else [problem])


DOUBTFUL = '''
from attrs import field, frozen
from rae_auto.api import *
from rae_auto.hookspecs import hookimpl
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.toolkit.secrets import Secret


class Doubts:
    """Doubts its options."""

    def warnings(self):
        return (f"{self.type} may fail here; look at it",)


@frozen
class Job(Doubts, Executor):
    """Runs nothing."""

    type = "runner"

    async def start(self, assignment):
        raise OSError("nothing runs")


@frozen
class Out(Doubts, Logger):
    """Writes nothing."""

    type = "out"

    def handler(self, directory):
        return {"sink": lambda message: None}


@frozen
class Bell(Doubts, Notifier):
    """Rings."""

    type = "bell"
    token: Secret | None = field(default=None, metadata={"help": "token"})

    async def notify(self, notice):
        return None


@frozen
class Gate(Doubts, ComputedGuard):
    """Is open."""

    type = "gate"

    def evaluate(self, instant):
        return GuardResult(Verdict.YES, "open")

    def changes_after(self, instant):
        return None


@frozen
class Drum(Doubts, SourceTrigger):
    """Never fires."""

    type = "drum"

    async def watch(self, context):
        await context.timer.sleep(3600)


class Shelf(Doubts, MemoryStore):
    """Keeps documents in memory."""

    type = "shelf"


@hookimpl
def rae_executors(): return [Job]
@hookimpl
def rae_loggers(): return [Out]
@hookimpl
def rae_notifiers(): return [Bell]
@hookimpl
def rae_guards(): return [Gate]
@hookimpl
def rae_triggers(): return [Drum]
@hookimpl
def rae_stores(): return [Shelf]
'''

DOUBTFUL_CONFIG = """\
store = "shelf"
loggers = ["console", "out"]
[plugins]
paths = ["plugins/"]
[notifiers.ops]
type = "bell"
token = "${env:NOT_SET_ANYWHERE}"
[jobs.a]
command = ["true"]
executor = "runner"
trigger = "drum"
guards = [
  "power",
  "gate",
]
"""


def test_check_shows_the_warnings_of_every_kind_at_their_places(folder: Folder) -> None:
    report = folder.check(DOUBTFUL_CONFIG, DOUBTFUL)
    assert not report.errors
    found = [line.removeprefix(f"{folder.path / 'rae.toml'}:") for line in report.warnings]
    assert sorted(line for line in found if "may fail here" in line or "NOT_SET" in line) == [
        "10: jobs.a.executor: runner may fail here; look at it",
        "11: jobs.a.trigger: drum may fail here; look at it",
        "12: jobs.a.guards[1]: gate may fail here; look at it",
        "1: store: shelf may fail here; look at it",
        "2: loggers[1]: out may fail here; look at it",
        "5: notifiers.ops: bell may fail here; look at it",
        "7: notifiers.ops.token: refers to ${env:NOT_SET_ANYWHERE}, which is not set in the daemon's environment",
    ]
