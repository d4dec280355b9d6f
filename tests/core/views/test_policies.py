"""Policies of a job in words."""

from typing import Any

import pytest

from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.job import Job
from rae_auto.model.policies import Limits, NotifyPolicy, RetryPolicy
from rae_auto.views.screens.parts.policies import describe_policies


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (RetryPolicy(attempts=3, delay="4s", backoff="constant"), "3 attempts, constant delay of 4s"),
        (RetryPolicy(attempts=2, delay="5m", max_delay="5m"), "2 attempts, constant delay of 5m"),
        (RetryPolicy(attempts=4, delay="4s", backoff="linear"), "4 attempts, linear delay from 4s to 5m"),
    ],
)
def test_delay_that_does_not_grow_is_one_duration(policy: RetryPolicy, words: str) -> None:
    facts = describe_policies(Job(id="a", command="true", retry_policy=policy))
    assert {fact.subject: fact.text for fact in facts}["retry"] == words


@pytest.mark.parametrize(
    ("subject", "given", "words"),
    [
        ("overlap", {"overlap": "skip"}, "an occurrence that comes while a run is open is skipped"),
        ("overlap", {"overlap": "queue"}, "an occurrence that comes while a run is open waits; one waits at most"),
        (
            "overlap",
            {"overlap": "replace"},
            "an occurrence that comes while a run is open cancels that run and takes its place",
        ),
        ("overlap", {"overlap": "allow", "overlap_max": 3}, "runs may overlap, at most 3"),
        ("catch_up", {"catch_up": "none", "catch_up_window": "1d"}, "missed occurrences are skipped"),
        (
            "catch_up",
            {"catch_up": "latest", "catch_up_window": "2h"},
            "of missed occurrences, the latest runs late, if it is at most 2h old",
        ),
        ("catch_up", {"catch_up": "latest"}, "of missed occurrences, the latest runs late"),
        ("catch_up", {"catch_up": "all"}, "all missed occurrences run late"),
        (
            "catch_up",
            {"catch_up": "all", "catch_up_window": "90m"},
            "all missed occurrences run late that are at most 1h30m old",
        ),
        (
            "guard_timeout",
            {"guards": ({"type": "power"},), "guard_timeout": "1h", "timeout": "5m"},
            "a run waits up to 1h for guards that block it",
        ),
        ("notify", {"notify": NotifyPolicy(on=("failure", "recovery"))}, "reported: failure, recovery"),
        (
            "notify",
            {"notify": NotifyPolicy(on=("late",), via=("ops", "me"))},
            'reported, by "ops" and "me": late',
        ),
        ("retry", {}, "an unsuccessful run isn't repeated"),
        ("timeout", {"timeout": "90s"}, "an attempt is ended after 1m30s"),
        ("needs", {"needs": ["b", "c"]}, 'the latest run of "b" and "c" must have succeeded'),
        ("resources", {"resources": {"db": 2, "net": 1}}, "each attempt takes db (2), net"),
        ("priority", {"priority": "high"}, "high"),
        ("priority", {"priority": "low"}, "low"),
        ("expect", {"expect": ExpectPolicy(every="1d")}, "it must succeed once in 1d"),
        ("max_runtime", {"expect": ExpectPolicy(max_runtime="30m")}, "a run should take at most 30m"),
        ("memory", {"limits": Limits(memory="512MB")}, "at most 512 MB"),
        ("cpu_time", {"limits": Limits(cpu_time="60s")}, "at most 1m"),
        ("output", {"limits": Limits(output="5MB")}, "5 MB of the output of each attempt are kept"),
    ],
)
def test_each_policy_has_its_own_words(subject: str, given: dict[str, Any], words: str) -> None:
    facts = describe_policies(Job(id="a", command="true", **given))
    assert {fact.subject: fact.text for fact in facts}[subject] == words


def test_policies_that_a_job_does_not_have_are_left_out() -> None:
    for job in (Job(id="a", command="true"), Job(id="a", command="true", guards=({"type": "power"},))):
        assert [fact.subject for fact in describe_policies(job)] == ["overlap", "catch_up", "retry", "output"]
