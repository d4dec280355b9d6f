"""Checks of the configuration: its errors and warnings, and what jobs lack in the environment of the daemon."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from rae_auto.checks.advisor import JobAdvisor
from rae_auto.config import Report, check
from rae_auto.config.advice import CheckedJob
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.problems import Problem
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.finding import Finding
from rae_auto.paths import HomeUnknown, home_directory
from rae_auto.platforms.file_rights import file_rights
from rae_auto.registry import Registry
from rae_auto.toolkit.environment import INHERITED, inherited_environment

_CORRECT = "correct the line"
_CHANGE = "change the line unless it is meant so"

_UNSHOWN = frozenset({"PATH", "RAE_CONFIG", "RAE_STATE_DIR", "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "TMPDIR"})
"""Variables that are reported elsewhere, or differ in each session."""


@frozen
class _QuickAdvisor(JobAdvisor):
    """Advice without the preparation of jobs, which may install packages."""

    def prepare_jobs(self, jobs: Sequence[CheckedJob]) -> tuple[Iterable[Problem], Iterable[Problem]]:
        return [*self.find_missing_files(jobs), *self.find_broken_plugins(jobs)], ()


def check_configuration(path: Path, registry: Registry, machine: Machine) -> Iterator[Finding]:
    """Check a configuration file as `rae-auto check` does, and in the daemon's environment."""
    report = _examine(path, registry, machine, machine.environment)
    yield from (Finding.from_message("configuration", line, _CORRECT) for line in report.errors)
    yield from (Finding.from_message("configuration", line, _CHANGE, is_warning=True) for line in report.warnings)
    if not report.errors:
        yield Finding("configuration", f"{path}: {format_count(report.jobs, 'job')}")
    if machine.daemon_environment is not None:
        there = _examine(path, registry, machine, machine.daemon_environment)
        missing = [line for line in there.warnings if line not in report.warnings]
        yield from _compare_environments(missing, machine.environment, machine.daemon_environment)


def check_environment(machine: Machine) -> Iterator[Finding]:
    """Check the environment from which jobs get a part, be it the daemon's or, without one, this shell's."""
    environment = machine.environment if machine.daemon_environment is None else machine.daemon_environment
    given = inherited_environment(environment)
    home = environment.get("HOME")
    if home is None and (problem := _find_home_problem()):
        yield Finding.from_message("environment", problem, "set HOME")
    if home is not None and not Path(home).is_dir():
        yield Finding("environment", f"HOME={home} is not a directory", "create it, or set HOME to one that exists")
    for folder in filter(None, given["PATH"].split(os.pathsep)):
        if not os.path.isabs(folder):  # noqa: PTH117 - a text
            what = f"{quote(folder)} in PATH is relative, so it is another folder for each job"
            yield Finding("environment", what, "write the whole path, where PATH is set")
        elif machine.user is not None and _is_open(folder):
            what = f"everyone can write to {folder} in PATH, and put a program there that jobs start"
            yield Finding("environment", what, f"run 'chmod o-w {folder}', or remove it from PATH")
    if not any(environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        yield Finding("environment", "no LANG is set, so programs of jobs may not write UTF-8; env can set it")


def _examine(path: Path, registry: Registry, machine: Machine, environment: Mapping[str, str]) -> Report:
    return check(path, registry, _QuickAdvisor(registry, path.absolute().parent, machine.now, environment))


def _compare_environments(
    missing: Sequence[str], here: Mapping[str, str], there: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield what this shell has in its environment (`here`), and jobs lack with the daemon's (`there`)."""
    own, given = inherited_environment(here), inherited_environment(there)
    folders = given["PATH"].split(os.pathsep)
    lacking = [folder for folder in own["PATH"].split(os.pathsep) if folder not in folders]
    for line in missing:
        observation = f"{line.rpartition('; ')[0] or line} of the daemon"
        hint = 'start the daemon again from this shell, or set PATH in env of the job or of [defaults]: "…:${env:PATH}"'
        yield Finding("environment", observation, hint)
    if lacking:
        yield Finding("environment", f"jobs have a PATH without {', '.join(lacking)}, which this shell has")
    different = [name for name in INHERITED if name not in _UNSHOWN and own.get(name) != given.get(name)]
    if different:
        yield Finding("environment", f"jobs have other values than this shell for {', '.join(different)}")


def _find_home_problem() -> str | None:
    try:
        home_directory()
    except HomeUnknown as error:
        return str(error)
    return None


def _is_open(folder: str) -> bool:
    try:
        return file_rights().find_public_writer(Path(folder)) is not None
    except OSError:
        return False
