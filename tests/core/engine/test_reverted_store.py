"""A store that went back to an older state: nothing is repeated, and what is known counts."""

import copy
from datetime import timedelta

import pytest

from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.reasons import Missed, MissedCause, StoreReverted
from rae_auto.model.run import Result, Run, RunState
from rae_auto.simulation.virtual_engine import VirtualWorld

MINUTE = timedelta(minutes=1)


class Past:
    """The state of a world's store at one time, to which it goes back."""

    def __init__(self, world: VirtualWorld) -> None:
        self._world = world
        self._values = copy.copy(world.store._values)

    def return_to(self, **crash: object) -> None:
        self._world.store._values = self._values
        self._world.history.clear()
        self._world.crash(reverts=True, **crash)


@pytest.mark.parametrize("on_crash", ["rerun", "fail"])
def test_open_runs_without_a_trace_are_lost(world, job, on_crash):
    retry = RetryPolicy(attempts=3, delay="60s", on=["failure", "lost"])
    w = world(job("a", on_crash=on_crash, retry_policy=retry), job("b", on_crash=on_crash), max_parallel=1)
    active, queued = w.trigger("a"), w.trigger("b")
    past = Past(w)
    w.end(active)
    w.end(queued)
    past.return_to()
    assert {(run.id, run.state, run.reason) for run in w.history} == {
        (run, RunState.LOST, StoreReverted()) for run in (active, queued)
    }
    w.advance(10 * MINUTE)
    assert not w.active_starts
    assert len(w.started) == 2


def test_an_end_on_record_counts_and_is_not_repeated(world, job):
    w = world(job("a", retry_policy=RetryPolicy(attempts=3, delay="60s")), job("b"))
    failed, done = w.trigger("a"), w.trigger("b")
    past = Past(w)
    w.fail(failed)
    w.end(done)
    past.return_to(ended={failed: Result(exit_code=4), done: Result(exit_code=0)})
    assert {(run.id, run.state, run.exit_code) for run in w.history} == {
        (failed, RunState.FAILED, 4),
        (done, RunState.SUCCEEDED, 0),
    }
    w.advance(10 * MINUTE)
    assert not w.active_starts


def test_an_attempt_that_began_after_that_state_is_adopted(world, job):
    w = world(job("a"), job("b"), max_parallel=1)
    first, second = w.trigger("a"), w.trigger("b")
    past = Past(w)
    w.end(first)
    assert list(w.active_starts) == [second]
    past.return_to(alive=[second], ended={first: Result(exit_code=0)})
    assert list(w.active_starts) == [second]
    w.end(second)
    assert {(run.id, run.state, run.attempt) for run in w.history} == {
        (first, RunState.SUCCEEDED, 1),
        (second, RunState.SUCCEEDED, 1),
    }


def test_a_later_attempt_is_found(world, job):
    w = world(job("a", retry_policy=RetryPolicy(attempts=3, delay="60s")))
    run = w.trigger("a")
    past = Past(w)
    w.fail(run)
    w.advance(2 * MINUTE)
    past.return_to(ended={run: Result(exit_code=0)})
    (found,) = w.history
    assert (found.id, found.state, found.attempt) == (run, RunState.SUCCEEDED, 2)


@pytest.mark.parametrize("catch_up", ["all", "latest", "none"])
def test_instants_since_that_state_are_given_up(world, job, catch_up):
    w = world(job("a", every=1, catch_up=catch_up))
    past = Past(w)
    for _ in range(5):
        w.advance(MINUTE)
        w.end(*w.active_starts)
    w.decisions.clear()
    past.return_to()
    (decision,) = w.decisions
    assert isinstance(decision.reason, Missed)
    assert decision.reason.cause is MissedCause.STORE_REVERTED
    assert not w.active_starts
    w.advance(MINUTE)
    assert len(w.active_starts) == 1, "what is due from now on runs"


def test_uncertain_runs_stay_so_in_another_crash(world, job):
    w = world(job("a", on_crash="rerun"))
    run = w.trigger("a")
    past = Past(w)
    w.end(run)
    w.store._values = past._values
    w.history.clear()
    w.active_starts.clear()
    w.engine = Engine()
    runs = tuple(w._mark_uncertain(stored) for stored in w.stored(Run))
    w.feed(Restored(w.settings, tuple(w._plans.values()), runs=runs, is_reverted=True))
    w.crash()
    assert [(one.id, one.state, one.reason) for one in w.history] == [(run, RunState.LOST, StoreReverted())]
    assert len(w.started) == 1
