"""Order of the queue when more is due than may run."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.engine.commands import Trigger
from rae_auto.engine.effects import Reply
from rae_auto.engine.queues.run_queue import HEAD_START_PER_LEVEL, queue_rank
from rae_auto.errors import NotStarted
from rae_auto.model.decision import MANUAL, Occurrence, Outcome
from rae_auto.model.policies import Priority
from rae_auto.model.reasons import MaxParallel, QueueLimit, StartDelayed


def started_jobs(w):
    return [start.run.job for start in w.started]


@pytest.mark.requirement("R17")
def test_max_parallel_limits_active_runs_and_is_named_as_reason(world, job):
    w = world(job("a"), job("b"), max_parallel=1)
    first = w.trigger("a")
    waiting = w.trigger("b")
    assert list(w.active_starts) == [first]
    assert w.engine.waiting_for(waiting) == MaxParallel(1)
    w.end(first)
    assert list(w.active_starts) == [waiting]


def test_queue_starts_higher_priority_first(world, job):
    w = world(
        job("busy"),
        job("low", priority="low"),
        job("critical", priority="critical"),
        job("high", priority="high"),
        max_parallel=1,
    )
    w.trigger("busy")
    for name in ("low", "high", "critical"):
        w.trigger(name)
    while w.active_starts:
        w.end(next(iter(w.active_starts)))
    assert started_jobs(w) == ["busy", "critical", "high", "low"]


def test_queue_starts_equal_ranks_by_arrival(world, job):
    w = world(job("busy"), *(job(name) for name in "abc"), max_parallel=1)
    w.trigger("busy")
    for name in "cab":
        w.trigger(name)
    while w.active_starts:
        w.end(next(iter(w.active_starts)))
    assert started_jobs(w) == ["busy", "c", "a", "b"]


def test_queue_raises_priority_by_waiting(world, job):
    w = world(job("busy"), job("low", priority="low"), job("high", priority="high"), max_parallel=1)
    w.trigger("busy")
    w.trigger("low")
    w.advance(2 * HEAD_START_PER_LEVEL + timedelta(seconds=1))
    w.trigger("high")
    w.end(next(iter(w.active_starts)))
    assert started_jobs(w)[-1] == "low"


@given(st.sampled_from(Priority), st.sampled_from(Priority), st.integers(0, 10**6))
def test_queue_rank_of_a_level_is_one_head_start(one, other, seconds):
    ahead = (one - other) * HEAD_START_PER_LEVEL.total_seconds()
    assert (queue_rank(one, seconds) < queue_rank(other, 0.0)) == (seconds < ahead)


@pytest.mark.requirement("R17")
def test_jitter_delays_a_start_by_the_same_share_each_time(world, job):
    delays = []
    for _ in range(2):
        w = world(job("a", every=60, jitter=timedelta(minutes=10)))
        w.advance(timedelta(minutes=60))
        (waiting,) = w.engine.runs()
        assert isinstance(w.engine.waiting_for(waiting.run.id), StartDelayed)
        w.advance(timedelta(minutes=10))
        delays.append(w.started[0].run.started_at - w.started[0].run.scheduled_for)
    assert delays[0] == delays[1]
    assert timedelta(0) < delays[0] <= timedelta(minutes=10)


@pytest.mark.requirement("R31")
def test_max_queue_skips_an_occurrence_with_a_reason(world, job):
    w = world(job("busy"), job("a"), job("b"), job("c", every=1), max_parallel=1, max_queue=2)
    w.trigger("busy")
    w.trigger("a")
    w.trigger("b")
    w.advance(timedelta(minutes=1))
    (decision,) = [d for d in w.decisions if d.job == "c"]
    assert isinstance(decision.reason, QueueLimit)
    assert decision.reason.text == "2 runs are waiting already, counting all jobs (max_queue)"
    w.end(next(iter(w.active_starts)))
    w.advance(timedelta(minutes=1))
    assert [d.outcome for d in w.decisions if d.job == "c"] == [Outcome.SKIP, Outcome.RUN]


@pytest.mark.requirement("R31")
def test_max_queue_refuses_a_manual_run(world, job):
    w = world(job("busy"), job("a"), job("b"), max_parallel=1, max_queue=1)
    w.trigger("busy")
    w.trigger("a")
    occurrence = Occurrence("b", MANUAL, "1", w.now.wall)
    (reply,) = [e.value for e in w.feed(Trigger(occurrence, ask=1)).effects if isinstance(e, Reply)]
    assert isinstance(reply, NotStarted)
    assert reply.reason == QueueLimit.code


def test_max_queue_admits_a_run_that_replaces_a_waiting_one(world, job):
    w = world(job("busy"), job("a", overlap="replace"), max_parallel=1, max_queue=1)
    w.trigger("busy")
    first = w.trigger("a")
    second = w.trigger("a")
    assert [o.run.id for o in w.engine.runs("a")] == [second] != [first]
