"""`check` finds all faults of a file in one pass: none hides another, unless it rests on the value that is wrong.

Each fault is one line of a job, and is first seen alone. Together with others it must be reported in the same words.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from rae_auto.checks.check import check_file
from rae_auto.registry import Registry

JOB = 'shell = "true"\nschedule = "0 9 * * *"\n'

FAULTS = (
    "cwd = 5",
    'cwd = "~no-such-user/x"',
    'env = { A = 1, "" = "x", B = "~" }',
    "success_codes = [300, 400]",
    "retry = 5000",
    "retry = { attempts = 0, jitter = 7, nothing = 1 }",
    'timeout = "ten"',
    'kill_after = "x"',
    'needs = ["nope", 3]',
    "resources = { db = 3, none = 1 }",
    'resources = ["none", 4]',
    'guards = [{ type = "powr" }, 7, { type = "time", from = "25:00", to = "x" }]',
    'guard_timeout = "soon"',
    'notify = { on = ["no"], via = ["x", 4], every = 0, quiet_hours = ["25:00", "x"] }',
    "overlap_max = 0",
    'overlap = "alow"',
    'catch_up = "never"',
    'catch_up_window = "1s"',
    'umask = "999"',
    'secret_files = { "a b" = "x", RAE_T = "y" }',
    'pass_env = ["A=B", ""]',
    'stdin = "${env:NO_SUCH_VARIABLE}"',
    'limits = { memory = "x", nice = 50, nothing = 1 }',
    'expect = { every = "x", max_runtime = "y" }',
    'priority = "hgh"',
    "enabled = 1",
    'on_crash = "x"',
    'shift = "x"',
    "success_code = [1]",
    'comand = ["x"]',
    'python = "os:getcwd"',
    'env_file = "no-such-file"',
)
"""Lines of a job, each with at least one fault of its own."""

REPLACEMENTS = ('trigger = { type = "cron", expression = "99 * * * *", timezone = "Mars" }', 'schedule = "* 9 * * *"')
"""Triggers with faults, in place of that of the job."""


def key_of(line: str) -> str:
    return line.partition(" ")[0]


def find_lines(folder: Path, lines: Sequence[str], job: str = JOB) -> set[str]:
    """Return the errors and warnings about a job with these lines, without line numbers."""
    path = folder / "rae.toml"
    path.write_text("[resources]\ndb = 2\n[jobs.a]\n" + job + "\n".join(lines) + "\n")
    path.chmod(0o600)
    report = check_file(path, Registry())
    return {re.sub(r"^.*?rae\.toml:(?:\d+: )?", "", line) for line in (*report.errors, *report.warnings)}


@pytest.mark.requirement("R38")
def test_check_finds_each_fault_beside_any_other(tmp_path: Path) -> None:
    alone = {line: find_lines(tmp_path, [line]) for line in FAULTS}
    assert all(alone.values())
    randomness = random.Random(30)
    for _ in range(40):
        chosen = {key_of(line): line for line in randomness.sample(FAULTS, 3)}.values()
        expected = set().union(*(alone[line] for line in chosen))
        assert find_lines(tmp_path, list(chosen)) == expected, list(chosen)


@pytest.mark.requirement("R38")
def test_check_finds_all_faults_of_a_job_in_one_pass(tmp_path: Path) -> None:
    lines = list({key_of(line): line for line in FAULTS}.values())
    found = find_lines(tmp_path, lines)
    missing = {line: wanted - found for line in lines if (wanted := find_lines(tmp_path, [line])) - found}
    assert missing == {}


@pytest.mark.parametrize("trigger", REPLACEMENTS)
def test_check_finds_the_faults_of_a_trigger_beside_others(trigger: str, tmp_path: Path) -> None:
    work = 'shell = "true"\n'
    wanted = find_lines(tmp_path, [trigger], work)
    assert wanted
    assert wanted <= find_lines(tmp_path, [trigger, *{key_of(line): line for line in FAULTS}.values()], work)


def test_check_finds_faults_of_triggers_beside_what_is_none(tmp_path: Path) -> None:
    triggers = 'triggers = [5, { type = "job", jobs = ["nono"] }, { type = "cron", expression = "* 9 * * *" }]\n'
    keys = {line.partition(": ")[0] for line in find_lines(tmp_path, [], f'shell = "true"\n{triggers}')}
    assert keys == {"jobs.a.triggers[0]", "jobs.a.triggers[1].jobs[0]", "jobs.a.triggers[2]"}


@pytest.mark.parametrize(
    ("lines", "keys"),
    [
        (['notify = { on = ["fail"], via = [], every = 3 }'], {"jobs.a.notify.on[0]"}),
        (["notify = { onn = [], every = 3 }"], {"jobs.a.notify.onn"}),
        (
            ["notification = {}", 'expect = { evry = "1d", grace = "1h" }'],
            {"jobs.a.notification", "jobs.a.expect.evry"},
        ),
        (['guard = ["power"]', 'guard_timeout = "1h"'], {"jobs.a.guard"}),
        (['overlap = "alow"', "overlap_max = 3"], {"jobs.a.overlap"}),
        (["retry = 5000", 'timeout = "1m"', 'expect = { max_runtime = "1h" }'], {"jobs.a.retry"}),
    ],
)
def test_check_warns_of_no_effect_only_where_the_basis_is_known(
    lines: list[str], keys: set[str], tmp_path: Path
) -> None:
    assert {line.partition(": ")[0] for line in find_lines(tmp_path, lines)} == keys


@pytest.mark.parametrize("key", ["schedul", "cron", "triger", "trigger"])
def test_check_warns_of_needs_without_a_trigger(key: str, tmp_path: Path) -> None:
    work = JOB + '[jobs.c]\nshell = "true"\nneeds = ["a"]\n'
    assert {line.partition(": ")[0] for line in find_lines(tmp_path, [], work)} == {"jobs.c.needs"}
    assert find_lines(tmp_path, ['trigger = "manual"'], work) == set()
    wrong = {line.partition(": ")[0] for line in find_lines(tmp_path, [f"{key} = 5"], work)}
    assert wrong == {f"jobs.c.{key}"}


def test_check_calls_no_name_unknown_that_may_be_defined(tmp_path: Path) -> None:
    job = (
        'shell = "true"\nschedule = "0 9 * * *"\nneeds = ["other"]\nresources = ["x"]\nnotify = { on = ["failure"] }\n'
    )
    path = tmp_path / "rae.toml"
    path.write_text(f'include = ["gone.toml"]\n[jobs.a]\n{job}')
    path.chmod(0o600)
    report = check_file(path, Registry())
    assert [line.split(": ")[1] for line in (*report.errors, *report.warnings)] == ["include[0]"]


def test_check_takes_a_misspelled_table_for_the_one_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "rae.toml"
    path.write_text(
        "resource = { x = 1 }\n[notifier.ops]\ntype = 'desktop'\n"
        f'[jobs.a]\n{JOB}resources = ["x"]\nnotify = {{ on = ["failure"], via = ["ops"] }}\n'
    )
    path.chmod(0o600)
    report = check_file(path, Registry())
    assert {line.split(": ")[1] for line in (*report.errors, *report.warnings)} == {"resource", "notifier"}
