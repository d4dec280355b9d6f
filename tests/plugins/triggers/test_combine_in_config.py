"""Triggers inside of triggers as people write them: read, checked at the right place, and described by the schema."""

import tomllib
from pathlib import Path

import jsonschema
import pytest

from rae_auto.api.plugin import Kind
from rae_auto.config import check, load
from rae_auto.config.options import make
from rae_auto.config.schema import config_schema
from rae_auto.registry import Registry
from rae_plugins.triggers.combine import CombineTrigger
from rae_plugins.triggers.cron import CronTrigger

GOOD = """
timezone = "Europe/Berlin"
[jobs.a]
command = ["true"]
[jobs.b]
command = ["true"]
[jobs.x]
command = ["true"]
[jobs.x.trigger]
type = "combine"
within = "1h"
all = [
  { type = "job", jobs = ["a"] },
  { type = "combine", any = [{ type = "cron", expression = "0 8 * * *" }, "manual"] },
]
[[jobs.y.triggers]]
type = "combine"
within = 90
[[jobs.y.triggers.sequence]]
type = "interval"
every = "1h"
[[jobs.y.triggers.sequence]]
type = "job"
jobs = ["a", "b"]
mode = "all"
within = "10m"
[jobs.y]
command = ["true"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rae.toml"


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def test_nested_tables_become_triggers_in_the_configured_zone(path):
    write(path, GOOD)
    config = load(path, Registry())
    (ref,) = next(job for job in config.jobs if job.id == "x").schedule
    trigger = make(Kind.TRIGGER, ref, Registry(), config.timezone)
    assert isinstance(trigger, CombineTrigger)
    assert trigger == make(Kind.TRIGGER, ref, Registry(), config.timezone), "or each reload would start it again"
    inner = trigger.parts()["combine"]
    assert isinstance(inner, CombineTrigger)
    assert inner.parts()["cron"] == CronTrigger(expression="0 8 * * *", timezone="Europe/Berlin")


def test_warnings_of_nested_triggers_are_shown(path):
    write(path, GOOD)
    report = check(path, Registry())
    assert report.errors == ()
    (warning,) = report.warnings
    assert warning.endswith(
        "jobs.x.trigger: combine: manual: never fires by itself; remove it, or use a job trigger instead"
    )


def test_config_schema_covers_nested_triggers(path):
    validator = jsonschema.Draft7Validator(config_schema(Registry()))
    validator.validate(tomllib.loads(GOOD))
    for wrong in ('expression = "0 8 * * *"', 'mode = "all"'):
        bad = GOOD.replace(wrong, wrong.replace(" = ", "s = ", 1))
        assert bad != GOOD
        assert not validator.is_valid(tomllib.loads(bad))


HEAD = '[jobs.a]\ncommand = ["true"]\n[jobs.x]\ncommand = ["true"]\n[jobs.x.trigger]\ntype = "combine"\n'


@pytest.mark.parametrize(
    ("trigger", "line"),
    [
        (
            'within = "1h"\nall = [\n  "manual",\n  { type = "cron", expression = "x" },\n]',
            '8: jobs.x.trigger.all[1].expression: "x" has 1 field;',
        ),
        (
            'within = "1h"\nall = [{ type = "crn" }]',
            '8: jobs.x.trigger.all[0]: unknown trigger "crn"; did you mean "cron"?',
        ),
        ('any = [{ type = "job", jobs = ["b", "aa"] }]', '7: jobs.x.trigger.any[0].jobs[0]: unknown job "b"'),
        (
            'any = [{ type = "job", jobs = ["aa"] }]',
            '7: jobs.x.trigger.any[0].jobs[0]: unknown job "aa"; did you mean "a"?',
        ),
        (
            'any = [{ type = "job", jobs = ["x"] }]',
            "7: jobs.x.trigger.any[0].jobs[0]: jobs start each other in a cycle: x → x",
        ),
        (
            'any = [{ type = "job", jobs = ["a"], on = "sucess" }]',
            "7: jobs.x.trigger.any[0].on: must be one of success, failure, any",
        ),
        (
            'any = [{ type = "job", jobs = ["a"], mode = "all" }]',
            "7: jobs.x.trigger.any[0].within: must give, with mode",
        ),
        (
            'any = [{ type = "job", jobs = "a" }]',
            '7: jobs.x.trigger.any[0].jobs: must be a list, not the text "a"; write ["a"]',
        ),
        ('any = [{ type = "job", jobs = [] }]', "7: jobs.x.trigger.any[0].jobs: must name at least one job"),
        ('any = "manual"', '7: jobs.x.trigger.any: must be a list, not the text "manual"; write [{ type'),
        ('all = ["manual"]', "5: jobs.x.trigger.within: must give the longest time from the first occurrence"),
        ('all = ["manual"]\nwithin = "0s"', "8: jobs.x.trigger.within: must be more than 0s"),
        ('al = ["manual"]', '7: jobs.x.trigger.al: unknown key; did you mean "all"?'),
        ("", "5: jobs.x.trigger: give exactly one of all, any and sequence"),
        (
            '[[jobs.x.trigger.any]]\ntype = "interval"\nevery = "1h"\n'
            '[[jobs.x.trigger.any]]\ntype = "interval"\nevery = "soon"',
            '12: jobs.x.trigger.any[1].every: invalid duration "soon"',
        ),
    ],
)
def test_errors_in_nested_triggers_name_their_line(path, trigger, line):
    write(path, f"{HEAD}{trigger}\n")
    errors = check(path, Registry()).errors
    assert errors[0].startswith(f"{path}:{line}"), errors
