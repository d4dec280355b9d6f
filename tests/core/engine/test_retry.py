"""Retries: which attempts, and when."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto import RetryPolicy
from rae_auto.engine.runs.retry import hash_fraction, retry_delay
from rae_auto.model.policies import Backoff
from rae_auto.model.reasons import Cancelled, Due, TimedOut
from rae_auto.model.run import Result, Run, RunState
from rae_auto.simulation.virtual_engine import EPOCH


def fixed(**policy):
    return RetryPolicy(**{"attempts": 3, "delay": "10s", "jitter": 0.0, **policy})


def test_failed_attempt_is_repeated_after_its_delay(world, job):
    w = world(job("a", retry_policy=fixed()))
    run = w.trigger("a")
    w.fail(run)
    assert w.run(run).state is RunState.RETRYING
    w.advance(timedelta(seconds=9))
    assert not w.active_starts
    w.advance(timedelta(seconds=1))
    w.end(run)
    over = w.run(run)
    assert (over.state, over.attempt) == (RunState.SUCCEEDED, 2)
    assert [attempt.state for attempt in over.attempts] == [RunState.FAILED, RunState.SUCCEEDED]


def test_last_attempt_decides_the_state_of_the_run(world, job):
    w = world(job("a", retry_policy=fixed(attempts=2)))
    run = w.trigger("a")
    w.fail(run, 4)
    w.advance(timedelta(minutes=1))
    w.fail(run, 5)
    assert (w.run(run).state, w.run(run).exit_code, w.run(run).attempt) == (RunState.FAILED, 5, 2)


def test_retry_is_limited_to_the_given_exit_codes(world, job):
    w = world(job("a", retry_policy=fixed(exit_codes=[75])))
    run = w.trigger("a")
    w.fail(run, 75)
    w.advance(timedelta(seconds=10))
    w.fail(run, 1)
    assert w.run(run).state is RunState.FAILED


def test_timeout_is_retried_only_if_the_policy_says_so(world, job):
    w = world(job("a", timeout="1m", retry_policy=fixed(on=["failure"])))
    run = w.trigger("a")
    w.advance(timedelta(minutes=1))
    assert [c.run for c in w.cancelled] == [run]
    w.end(run, Result(signal=15))
    assert (w.run(run).state, w.run(run).reason) == (RunState.TIMED_OUT, TimedOut(timedelta(minutes=1)))


@pytest.mark.requirement("R39")
def test_cancelled_run_is_not_retried(world, job):
    w = world(job("a", retry_policy=fixed()))
    run = w.trigger("a")
    w.cancel(run=run)
    w.fail(run)
    assert (w.run(run).state, w.run(run).reason) == (RunState.CANCELLED, Cancelled())


@pytest.mark.requirement("R39")
def test_pending_retry_keeps_its_time_over_a_restart(world, job):
    w = world(job("a", retry_policy=fixed(delay="10m", max_delay="10m")))
    run = w.trigger("a")
    w.fail(run)
    w.crash(down=timedelta(minutes=4))
    w.advance(timedelta(minutes=6) - timedelta(seconds=1))
    assert not w.active_starts
    w.advance(timedelta(seconds=1))
    assert list(w.active_starts) == [run]


def test_retrying_run_frees_its_slot(world, job):
    w = world(job("a", retry_policy=fixed()), job("b"), max_parallel=1)
    failing = w.trigger("a")
    other = w.trigger("b")
    w.fail(failing)
    assert list(w.active_starts) == [other]


def a_run(attempt):
    return Run(
        id="r", job="a", trigger="t", key="k", scheduled_for=EPOCH, queued_at=EPOCH, cause=Due(), attempt=attempt
    )


@pytest.mark.parametrize(
    ("backoff", "seconds"),
    [(Backoff.CONSTANT, [10, 10, 10, 10]), (Backoff.LINEAR, [10, 20, 30, 40]), (Backoff.EXPONENTIAL, [10, 20, 40, 60])],
)
def test_retry_delay_grows_up_to_its_maximum(backoff, seconds):
    policy = fixed(backoff=backoff, max_delay="60s", attempts=9)
    assert [retry_delay(policy, a_run(n)).total_seconds() for n in (1, 2, 3, 4)] == seconds


@given(st.integers(1, 1000), st.floats(0, 1))
def test_retry_jitter_is_bounded_and_deterministic(attempt, jitter):
    plain, spread = fixed(attempts=1000), fixed(attempts=1000, jitter=jitter)
    least, delay = retry_delay(plain, a_run(attempt)), retry_delay(spread, a_run(attempt))
    assert least <= delay <= least * (1 + jitter) + timedelta(microseconds=1)
    assert delay == retry_delay(spread, a_run(attempt))


@given(st.lists(st.text(), min_size=1))
def test_hash_fraction_is_between_0_and_1(words):
    assert 0 <= hash_fraction(*words) < 1
