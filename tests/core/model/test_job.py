"""Jobs as programs write them: usual short forms are accepted, everything else is refused at once, in one line."""

import functools
import operator
import re
import subprocess
import sys

import pytest
from attrs import fields_dict

from rae_auto import (
    BadRequest,
    Cron,
    ExpectPolicy,
    GuardRef,
    InvalidJob,
    Job,
    Limits,
    NotifyPolicy,
    Overlap,
    Priority,
    Retention,
    RetryPolicy,
    TriggerRef,
)


def make_report() -> None:
    """Do nothing."""


class Reports:
    def make(self) -> None: ...

    @classmethod
    def make_all(cls) -> None: ...

    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"retry_policy": 3}, {"retry_policy": RetryPolicy(attempts=3)}),
        ({"priority": "high"}, {"priority": Priority.HIGH}),
        ({"overlap": "queue"}, {"overlap": Overlap.QUEUE}),
        ({"guards": [{"type": "power"}]}, {"guards": (GuardRef("power", {}, "power"),)}),
        ({"guards": {"type": "path", "path": "/x", "id": "p"}}, {"guards": (GuardRef("path", {"path": "/x"}, "p"),)}),
        (
            {"schedule": {"type": "file", "paths": ["/in"]}},
            {"schedule": (TriggerRef("file", {"paths": ["/in"]}, "file"),)},
        ),
        ({"schedule": "0 9 * * *"}, {"schedule": (TriggerRef("cron", {"expression": "0 9 * * *"}, "cron"),)}),
        ({"notify": NotifyPolicy(on="failure", via="ops")}, {"notify": NotifyPolicy(on=["failure"], via=["ops"])}),
    ],
)
def test_short_forms_mean_the_same_as_long_ones(fields, expected):
    job = Job(id="a", command="true", **fields)
    assert {name: getattr(job, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (make_report, f"{__name__}:make_report"),
        (operator.add, "_operator:add"),
        (print, "builtins:print"),
        (Reports.make_all, f"{__name__}:Reports.make_all"),
        ("reports:daily", "reports:daily"),
    ],
)
def test_python_takes_a_function_or_its_name(function, name):
    assert Job(id="a", python=function).python == name


def local_function():
    def make_local_report() -> None: ...

    return make_local_report


@pytest.mark.parametrize(
    "function", [local_function(), lambda: None, Reports().make, Reports(), functools.partial(make_report), [].append]
)
def test_functions_that_a_restart_loses_are_refused(function):
    with pytest.raises(ValueError, match=r'define it at the top level of a module, or name it as "package\.module'):
        Job(id="a", python=function)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": "echo hi"}, 'command: must be a list of words; write ["echo", "hi"], or use shell'),
        ({"command": "a", "priority": "hihg"}, 'must be one of low, normal, high, critical, not the text "hihg"; did'),
        ({"command": "a", "overlap": "replac"}, 'did you mean "replace"?'),
        ({"command": "a", "retry_policy": "3"}, 'retry_policy: must be a RetryPolicy or a number of attempts, not the'),
        ({"command": "a", "env": {"A": 1}}, "env.A: must be text, not the number 1"),
        ({"command": "a", "guards": [{"path": "/x"}]}, 'a table for a GuardRef needs "type", the name of the plugin'),
        ({"command": "a", "guards": [5]}, 'must be a GuardRef, a name or a table with "type", not the number 5'),
        ({"command": "a", "schedule": [Cron("* * * * *"), 7]}, "must be a TriggerRef, a name or a table"),
        ({"command": 5}, "command: must be a list of texts, not the number 5"),
        ({"command": "a", "timeout": "ten"}, 'timeout: invalid duration "ten"; use a number and a unit'),
        ({"command": "a", "schedule": 5}, "schedule: must be a cron expression, a trigger, or a list of them, not the"),
        ({"command": "a", "executor": 5}, 'executor: must be a PluginRef, a name or a table with "type", not the'),
        ({"command": "a", "needs": [3]}, "needs: must be a list; one is the number 3"),
        ({"command": "a", "umask": 22}, "umask: must be three octal digits as text"),
        ({"python": 5}, 'must be a function or the text "package.module:function", not the number 5'),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_at_once(fields, message):
    with pytest.raises(ValueError) as error:
        Job(id="a", **fields)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [name for name in fields_dict(Job) if name not in ("id", "name")])
def test_a_value_of_a_wrong_type_is_named_with_its_field(name):
    work = {} if name in ("command", "shell", "python", "script") else {"command": "true"}
    with pytest.raises(InvalidJob, match=rf'^job "a": {name}: (must|invalid)\b') as error:
        Job(id="a", **work, **{name: object()})
    assert "\n" not in str(error.value)


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(InvalidJob) as error:
        Job(id="a", command="true", timeout="ten", enabled="yes", limits=5)
    text = str(error.value)
    assert [key for key in ("enabled: must", "limits: must", "timeout: invalid") if key not in text] == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RetryPolicy(attempts=0), "RetryPolicy: attempts: must be at least 1, not 0"),
        (lambda: RetryPolicy(attempts="3"), 'RetryPolicy: attempts: must be a whole number, not the text "3"'),
        (lambda: RetryPolicy(exit_codes=["1"]), 'RetryPolicy: exit_codes[0]: must be a whole number, not the text "1"'),
        (
            lambda: Limits(memory="much"),
            'Limits: memory: invalid size "much"; use a number and a unit, as in "512MB" or "2GB"',
        ),
        (lambda: Limits(nice=100), "Limits: nice: must be at most 19, not 100"),
        (lambda: NotifyPolicy(via=[3]), "NotifyPolicy: via[0]: must be the name of a notifier, not the number 3"),
        (lambda: ExpectPolicy(every="0s"), 'ExpectPolicy: every: must be more than 0, as in "1h"'),
        (lambda: Retention(runs=0), "Retention: runs: must be at least 1, not 0"),
        (lambda: TriggerRef("cron", "0 9 * * *"), 'options: must be a mapping, not the text "0 9 * * *"'),
    ],
)
def test_policies_name_the_value_that_is_wrong(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        ('RetryPolicy(attempts="3")', InvalidJob),
        ('Limits(memory="much")', InvalidJob),
        ('NotifyPolicy(on=["never"])', InvalidJob),
        ('ExpectPolicy(every="0s")', InvalidJob),
        ("Retention(runs=0)", BadRequest),
    ],
)
def test_policies_raise_public_errors_before_any_job_is_made(make, error):
    program = f"import rae_auto\ntry:\n    rae_auto.{make}\nexcept Exception as error:\n    print(type(error).__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (error.__name__, "")


def test_a_text_is_one_name_and_one_argument():
    job = Job(name="x", command="true", needs="backup", args="abc", retry_policy=RetryPolicy(exit_codes=75))
    assert (job.needs, job.args, job.retry_policy.exit_codes) == (("backup",), ("abc",), (75,))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("retry", 'did you mean "retry_policy"?'), ("trigger", 'did you mean "schedule"?'), ("timout", '"timeout"')],
)
def test_unknown_fields_get_a_suggestion(name, hint):
    with pytest.raises(TypeError, match=f'^Job has no "{name}"; .*{re.escape(hint)}'):
        Job(id="a", command="true", **{name: 1})
