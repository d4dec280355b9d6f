"""An executor that waits for its machine: no run starts, takes a slot or is skipped meanwhile."""

from datetime import timedelta

import pytest

from rae_auto.engine.plan import Plan
from rae_auto.model.guard import EXECUTOR_GUARD, GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.reasons import NoWorker
from rae_auto.model.run import RunState

AWAY = GuardResult(Verdict.NO, "nas: connection refused")
BACK = GuardResult(Verdict.YES, "it is ready")


@pytest.fixture
def plan(every):
    def make(*, minutes=None, **fields):
        schedules = {} if minutes is None else {"t": every(minutes)}
        return Plan(Job(id="a", command="work", **fields), schedules, guards={EXECUTOR_GUARD: None}, asks_executor=True)

    return make


def waits_for(w):
    (opened,) = w.engine.runs("a")
    return w.engine.waiting_for(opened.run.id)


def test_scheduled_run_waits_for_its_executor_without_limit(world, plan):
    w = world(plan(minutes=60))
    w.answer_guard = lambda job, name: AWAY
    w.advance(timedelta(hours=1))
    blocked = waits_for(w)
    assert blocked == NoWorker("executor", Verdict.NO, "nas: connection refused")
    assert blocked.text == "its executor is not ready: nas: connection refused"
    w.advance(timedelta(hours=9))
    w.answer_guard = lambda job, name: BACK
    w.advance(timedelta(seconds=5))
    (start,) = w.started
    assert start.run.waited_for == (blocked,)


@pytest.mark.parametrize("by_hand", [True, False])
def test_executor_is_asked_in_the_turn_in_which_a_run_is_decided(world, plan, by_hand):
    w = world(plan(minutes=60))
    asked = []
    w.answer_guard = lambda job, name: asked.append((name, w.now.wall)) or AWAY
    if by_hand:
        w.trigger("a")
    else:
        w.advance(timedelta(hours=1))
    (opened,) = w.engine.runs("a")
    assert asked == [(EXECUTOR_GUARD, opened.run.queued_at)]
    assert isinstance(waits_for(w), NoWorker)


def test_guard_of_the_user_may_have_the_name_of_the_executor(world):
    """It delays no run by hand, as no guard of a user does."""
    w = world(Plan(Job(id="a", command="work"), guards={EXECUTOR_GUARD: None}))
    w.answer_guard = lambda job, name: AWAY
    w.trigger("a")
    assert [start.run.job for start in w.started] == ["a"]


def test_manual_run_waits_for_its_executor_too(world, plan):
    w = world(plan())
    w.answer_guard = lambda job, name: AWAY
    w.trigger("a")
    assert (w.started, isinstance(waits_for(w), NoWorker)) == ([], True)
    w.answer_guard = lambda job, name: BACK
    w.advance(timedelta(seconds=5))
    assert len(w.started) == 1


def test_retry_waits_for_its_executor_too(world, plan):
    w = world(plan(retry_policy=RetryPolicy(attempts=2, delay=timedelta(0))))
    w.trigger("a")
    w.answer_guard = lambda job, name: AWAY
    w.fail(w.started[0].run.id)
    assert w.engine.runs("a")[0].run.state is RunState.RETRYING
    w.advance(timedelta(minutes=1))
    assert [start.run.attempt for start in w.started] == [1]
    w.answer_guard = lambda job, name: BACK
    w.advance(timedelta(seconds=5))
    assert [start.run.attempt for start in w.started] == [1, 2]


def test_run_that_waits_for_its_executor_can_be_cancelled(world, plan):
    w = world(plan())
    w.answer_guard = lambda job, name: AWAY
    w.trigger("a")
    w.cancel(job="a")
    assert [run.state for run in w.history] == [RunState.CANCELLED]
