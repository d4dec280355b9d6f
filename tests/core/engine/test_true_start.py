"""The start of an attempt on record is that of its process or function, once its executor has said when it was."""

from datetime import timedelta

import pytest

from rae_auto.model.policies import RetryPolicy
from rae_auto.model.run import Result

SECOND = timedelta(seconds=1)


def end_after(w, run, started_after, took=10 * SECOND, **result):
    """End an attempt some seconds from now; it was decided now, and really started that much later."""
    decided_at = w.now.wall
    w.advance(took)
    w.end(run, Result(started_at=decided_at + started_after, **{"exit_code": 0, **result}))
    return decided_at


def test_run_counts_from_the_start_of_its_process(world, job):
    w = world(job("a"))
    decided_at = end_after(w, w.trigger("a"), 2 * SECOND)
    (run,) = w.history
    assert run.queued_at == decided_at
    assert run.started_at == run.attempts[0].started_at == decided_at + 2 * SECOND
    assert (run.duration, run.duration_of(run.attempts[0])) == (8 * SECOND, 8 * SECOND)


@pytest.mark.parametrize(("said", "taken"), [(-SECOND, 0 * SECOND), (11 * SECOND, 10 * SECOND)])
def test_start_lies_between_its_decision_and_its_end(world, job, said, taken):
    w = world(job("a"))
    decided_at = end_after(w, w.trigger("a"), said)
    assert w.history[0].started_at == decided_at + taken


def test_run_with_two_attempts_counts_from_the_first(world, job):
    w = world(job("a", retry_policy=RetryPolicy(attempts=2, delay="60s", jitter=0)))
    run = w.trigger("a")
    first = end_after(w, run, SECOND, exit_code=1)
    w.advance(60 * SECOND)
    second = end_after(w, run, 3 * SECOND)
    (ended,) = w.history
    assert ended.started_at == first + SECOND
    assert [one.started_at for one in ended.attempts] == [first + SECOND, second + 3 * SECOND]


@pytest.mark.parametrize("set_by", [timedelta(hours=-1), timedelta(hours=1)])
def test_start_stays_that_of_the_decision_once_the_clock_was_set(world, job, set_by):
    w = world(job("a"))
    run, decided_at = w.trigger("a"), w.now.wall
    w.set_clock(set_by)
    w.advance(10 * SECOND)
    w.end(run, Result(exit_code=0, started_at=decided_at + 2 * SECOND))
    assert (w.history[0].started_at, w.history[0].duration) == (decided_at, 10 * SECOND)
