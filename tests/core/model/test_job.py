"""Jobs as programs write them: usual short forms are accepted, everything else is refused at once, in one line."""

import functools
import operator

import pytest

from rae_auto import Cron, GuardRef, Job, NotifyPolicy, Overlap, Priority, RetryPolicy, TriggerRef


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
        ({"command": "echo hi"}, 'command must be a list of words; write ["echo", "hi"], or use shell'),
        ({"command": "a", "priority": "hihg"}, 'must be one of low, normal, high, critical, not the text "hihg"; did'),
        ({"command": "a", "overlap": "replac"}, 'did you mean "replace"?'),
        ({"command": "a", "retry_policy": "3"}, 'retry_policy must be a RetryPolicy or a number of attempts, not the'),
        ({"command": "a", "env": {"A": 1}}, "env.A: must be text, not the number 1"),
        ({"command": "a", "guards": [{"path": "/x"}]}, 'a table for a GuardRef needs "type", the name of the plugin'),
        ({"command": "a", "guards": [5]}, 'must be a GuardRef, a name or a table with "type", not the number 5'),
        ({"command": "a", "schedule": [Cron("* * * * *"), 7]}, "must be a TriggerRef, a name or a table"),
        ({"python": 5}, 'must be a function or the text "package.module:function", not the number 5'),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_at_once(fields, message):
    with pytest.raises(ValueError) as error:
        Job(id="a", **fields)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
