"""Policies of a job in words."""

import pytest

from rae_auto.model.job import Job
from rae_auto.model.policies import RetryPolicy
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
