"""Plugins that fail while a command without a daemon uses them: one line each, never a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TRIGGER = '''
from attrs import frozen
from rae_auto.api import ScheduleTrigger, SourceTrigger
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen
class Bad(ScheduleTrigger):
    """Fails."""

    type = "bad"

    def next_after(self, instant):
        raise RuntimeError("kaboom")


@frozen
class Worse(SourceTrigger):
    """Fails earlier."""

    type = "worse"

    def upstream_jobs(self):
        raise RuntimeError("kaboom")

    def warnings(self):
        raise RuntimeError("kaboom")

    async def watch(self, context):
        raise RuntimeError("kaboom")


@hookimpl
def rae_triggers():
    return [Bad, Worse]
'''
EXECUTOR = '''
from attrs import frozen
from rae_auto.api import Executor
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen
class Bad(Executor):
    """Fails."""

    type = "bad"

    async def open(self, directory):
        raise RuntimeError("kaboom")

    async def start(self, assignment):
        raise RuntimeError("kaboom")

    async def adopt(self, assignment):
        raise RuntimeError("kaboom")


@hookimpl
def rae_executors():
    return [Bad]
'''


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with distributions of plugins that fail."""
    for kind, names, source in (("triggers", ("bad", "worse"), TRIGGER), ("executors", ("bad",), EXECUTOR)):
        info = tmp_path / "site" / f"rae_bad_{kind}-2.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rae_bad_{kind}\nVersion: 2.5\n")
        lines = "".join(f"{name} = rae_bad_{kind}\n" for name in names)
        (info / "entry_points.txt").write_text(f"[rae_auto.{kind}]\n{lines}")
        (info.parent / f"rae_bad_{kind}.py").write_text(source)
    return tmp_path / "site"


def run(site: Path, job: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the program in a process of its own, with a configuration of one job "a"."""
    config = site.parent / "rae.toml"
    config.write_text(f"[jobs.a]\n{job}\n")
    config.chmod(0o600)
    environment = {**os.environ, "PYTHONPATH": str(site), "RAE_STATE_DIR": str(site.parent / "state")}
    command = [sys.executable, "-m", "rae_auto", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=site.parent, env=environment, timeout=50)


SCHEDULE = 'shell = "true"\ntrigger = "bad"'
RAISED = "next_after raised RuntimeError('kaboom') ({site}/rae_bad_triggers.py:16)"
HINT = (
    "this schedule starts no more jobs; correct its options and run 'rae-auto reload', or its code and restart "
    "the daemon; "
    "for its author: return an instant or None for any instant, also where the calendar ends"
)
PROBLEM = f'rae-auto: trigger "bad" of rae_bad_triggers 2.5 is quarantined (bad) after 1 failure: {RAISED}; {HINT}\n'
OF_JOB = f'trigger "bad" is quarantined after 1 failure in rae_bad_triggers 2.5: {RAISED}; {HINT}'


def test_next_reports_a_schedule_that_raises(site: Path) -> None:
    said = run(site, SCHEDULE, "next", "a")
    assert (said.returncode, said.stderr) == (1, PROBLEM.format(site=site))


def test_simulate_names_a_schedule_that_raises_once(site: Path) -> None:
    said = run(site, SCHEDULE, "simulate")
    assert (said.returncode, said.stderr) == (1, "")
    assert said.stdout.count(OF_JOB.format(site=site)) == 1


def test_simulate_reports_failures_of_jobs_that_it_does_not_show(site: Path) -> None:
    said = run(site, f"{SCHEDULE}\n[jobs.b]\nshell = 'true'", "simulate", "--job", "b")
    assert (said.returncode, said.stderr) == (1, PROBLEM.format(site=site))
    assert "kaboom" not in said.stdout


@pytest.mark.parametrize("command", ["list", "show a"])
def test_table_names_a_schedule_that_raises(site: Path, command: str) -> None:
    said = run(site, SCHEDULE, *command.split())
    assert OF_JOB.format(site=site) in said.stdout + said.stderr
    assert "problem" in said.stdout


@pytest.mark.parametrize(
    ("command", "find"),
    [
        ("simulate", lambda answer: answer["problems"]["a"]),
        ("list", lambda answer: answer[0]["problems"]),
        ("show a", lambda answer: answer["info"]["problems"]),
    ],
)
def test_json_names_a_schedule_that_raises(site: Path, command: str, find: Callable[[Any], list[str]]) -> None:
    said = run(site, SCHEDULE, *command.split(), "--json")
    assert find(json.loads(said.stdout)) == [OF_JOB.format(site=site)]


def test_next_shows_what_comes_before_a_schedule_raises(site: Path) -> None:
    module = site / "rae_bad_triggers.py"
    later = (
        'if instant.year > 2999: raise RuntimeError("kaboom")\n        return instant.replace(year=instant.year + 600)'
    )
    module.write_text(module.read_text().replace('raise RuntimeError("kaboom")', later, 1))
    said = run(site, SCHEDULE, "next", "a", "--json")
    assert [at[:3] for at in json.loads(said.stdout)] == ["262", "322"]
    assert said.returncode == 1
    assert "next_after raised RuntimeError('kaboom')" in said.stderr


def test_schedule_that_raises_is_an_error_of_check(site: Path) -> None:
    said = run(site, SCHEDULE, "check")
    assert (said.returncode, said.stderr) == (2, "")
    line = (
        f'rae.toml:3: jobs.a.trigger: starts nothing: trigger "bad" of rae_bad_triggers 2.5: {RAISED}; for its author'
    )
    assert line.format(site=site) in said.stdout


def test_check_reports_a_source_that_raises(site: Path) -> None:
    said = run(site, 'shell = "true"\ntrigger = "worse"', "check")
    assert (said.returncode, said.stderr) == (2, "")
    assert (
        'rae.toml:3: jobs.a.trigger: trigger "worse" of rae_bad_triggers 2.5: it raised RuntimeError('
        f"'kaboom') ({site}/rae_bad_triggers.py:26); for its author: answer from the options alone\n" in said.stdout
    )


def test_exec_reports_an_executor_that_raises(site: Path) -> None:
    said = run(site, 'command = ["true"]\nexecutor = "bad"', "exec", "a")
    assert (said.returncode, said.stderr) == (1, "rae-auto: a failed: kaboom\n")
