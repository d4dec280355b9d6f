"""Occurrences while the job still has an open run."""

from datetime import timedelta

import pytest

from rae_auto.errors import NotStarted
from rae_auto.model.policies import Overlap
from rae_auto.model.reasons import MaxOverlap, Overlapping, Replaced
from rae_auto.model.run import RunState

MINUTE = timedelta(minutes=1)


def test_skip_keeps_the_active_run_and_names_it(world, job):
    w = world(job("a", every=1))
    w.advance(2 * MINUTE)
    assert len(w.started) == 1
    skipped = w.decisions[-1]
    assert skipped.reason == Overlapping(w.started[0].run.id, w.started[0].run.queued_at)


def test_queue_keeps_one_run_waiting(world, job):
    w = world(job("a", overlap="queue"))
    first = w.trigger("a")
    second = w.trigger("a")
    with pytest.raises(NotStarted, match="another run is waiting already"):
        w.trigger("a")
    w.end(first)
    assert list(w.active_starts) == [second]


def test_replace_cancels_the_active_run_and_starts_after_its_end(world, job):
    w = world(job("a", overlap="replace", kill_after="7s"))
    first = w.trigger("a")
    second = w.trigger("a")
    assert [(c.run, c.grace) for c in w.cancelled] == [(first, timedelta(seconds=7))]
    assert list(w.active_starts) == [first]
    w.fail(first)
    assert (w.run(first).state, w.run(first).reason) == (RunState.CANCELLED, Replaced())
    assert list(w.active_starts) == [second]


def test_replace_ends_a_waiting_run_at_once(world, job):
    w = world(job("a", overlap="replace"))
    running, waiting, latest = w.trigger("a"), w.trigger("a"), w.trigger("a")
    assert w.run(waiting).state is RunState.CANCELLED
    w.end(running)
    assert list(w.active_starts) == [latest]


def test_allow_runs_up_to_overlap_max_at_once(world, job):
    w = world(job("a", overlap="allow", overlap_max=2))
    w.trigger("a")
    w.trigger("a")
    with pytest.raises(NotStarted, match="2 runs of the same job are open already") as refused:
        w.trigger("a")
    assert refused.value.reason == MaxOverlap.code
    assert len(w.active_starts) == 2


@pytest.mark.parametrize("overlap", [o for o in Overlap if o is not Overlap.ALLOW])
def test_retrying_run_counts_as_open(world, job, overlap):
    w = world(job("a", every=1, overlap=overlap, retry_policy=_twice()))
    w.advance(MINUTE)
    w.fail(next(iter(w.active_starts)))
    w.advance(MINUTE)
    assert len(w.active_starts) <= 1


def _twice():
    from rae_auto import RetryPolicy

    return RetryPolicy(attempts=2, delay="10m", max_delay="10m")


def test_runs_caught_up_together_do_not_replace_each_other(world, job):
    w = world(job("a", every=1, overlap="replace", catch_up="all"))
    w.crash(down=timedelta(minutes=10))
    # They start at short intervals.
    w.advance(timedelta(seconds=5))
    for _ in range(10):
        (run,) = w.active_starts
        w.end(run)
    assert [run.state for run in w.history] == [RunState.SUCCEEDED] * 10


def test_runs_caught_up_together_replace_an_older_run(world, job):
    w = world(job("a", every=1, overlap="replace", catch_up="all"))
    w.advance(timedelta(minutes=1))
    (old,) = w.active_starts
    w.crash(alive=[old], down=timedelta(minutes=3))
    w.end(old)
    w.advance(timedelta(seconds=5))
    for _ in range(3):
        (run,) = w.active_starts
        w.end(run)
    assert [run.state for run in w.history] == [RunState.CANCELLED] + [RunState.SUCCEEDED] * 3
