"""Delays, timeouts and waits keep what is left of them, whatever the clocks do, in a process and across restarts."""

from datetime import timedelta
from itertools import product

import pytest

from rae_auto.engine.plan import Plan
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.run import QueuePlace, RunState

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)

CLOCK_CASES = [
    pytest.param(restarts, set_by, reboots, id=f"{'restart' if restarts else 'no restart'}, {set_by}, {reboots=}")
    for restarts, set_by, reboots in product([False, True], [-DAY, timedelta(0), DAY], [False, True])
    if restarts or not reboots
]
in_each_case = pytest.mark.parametrize(("restarts", "set_by", "reboots"), CLOCK_CASES)


def let_happen(w, restarts, set_by, reboots, alive=()):
    if restarts:
        w.crash(alive=alive, clock_set_by=set_by, reboots=reboots)
    elif set_by:
        w.set_clock(set_by)


@in_each_case
def test_a_retry_waits_no_longer_than_was_decided(world, job, restarts, set_by, reboots):
    w = world(job("a", retry_policy=RetryPolicy(attempts=2, delay="60s", jitter=0)))
    w.fail(w.trigger("a"))
    w.advance(20 * SECOND)
    let_happen(w, restarts, set_by, reboots)
    w.advance(39 * SECOND)
    if not (reboots and set_by):
        assert not w.active_starts, "it waits for the rest of its delay"
    w.advance(22 * SECOND)
    assert w.active_starts, "the clock was set, and the retry waits for longer than its delay"


@in_each_case
def test_a_start_delay_is_no_longer_than_was_decided(world, job, restarts, set_by, reboots):
    w = world(job("a", every=60, jitter=10 * MINUTE))
    w.advance(60 * MINUTE)
    (entry,) = w.engine.runs()
    delay = entry.run.not_before - w.now.wall
    let_happen(w, restarts, set_by, reboots)
    w.advance(delay + SECOND)
    assert entry.run.id in w.active_starts


def test_a_timeout_counts_from_the_end_of_a_queue_elsewhere(world, job):
    w = world(job("a", timeout="10m", expect=ExpectPolicy(max_runtime="5m")))
    run = w.trigger("a")
    w.confirm(run, queue=QueuePlace("a cluster", "a worker"))
    w.advance(3 * MINUTE)
    w.dequeue(run)
    w.advance(4 * MINUTE)
    assert w.engine.run(run).run.overran_at is None, "the time in the queue counts"
    w.advance(2 * MINUTE)
    assert w.engine.run(run).run.overran_at is not None
    w.advance(3 * MINUTE)
    assert w.engine.run(run).stopping is None, "the time in the queue counts"
    w.advance(2 * MINUTE)
    assert w.engine.run(run).stopping.state is RunState.TIMED_OUT


def test_an_attempt_in_a_queue_elsewhere_has_no_timeout(world, job):
    w = world(job("a", timeout="10m", expect=ExpectPolicy(max_runtime="5m")))
    run = w.trigger("a")
    w.confirm(run, queue=QueuePlace("a cluster", "a worker"))
    w.advance(DAY)
    assert w.engine.run(run).stopping is None
    w.dequeue(run)
    w.advance(9 * MINUTE)
    assert w.engine.run(run).stopping is None
    w.crash(alive=[run])
    w.advance(2 * MINUTE)
    assert w.engine.run(run).stopping.state is RunState.TIMED_OUT, "after a restart it counts from another instant"


@in_each_case
def test_a_timeout_is_no_longer_than_was_decided(world, job, restarts, set_by, reboots):
    w = world(job("a", timeout="10m"))
    run = w.trigger("a")
    w.confirm(run)
    w.advance(4 * MINUTE)
    let_happen(w, restarts, set_by, reboots, alive=[run])
    if not reboots:
        w.advance(5 * MINUTE)
        assert not w.cancelled, "it may use the rest of its time"
    w.advance(10 * MINUTE)
    assert [cancel.run for cancel in w.cancelled] == [run]


def test_time_asleep_is_taken_off_a_delay(world, job):
    w = world(job("a", retry_policy=RetryPolicy(attempts=2, delay="60m", max_delay="60m", jitter=0)))
    w.fail(w.trigger("a"))
    w.advance(10 * MINUTE)
    w.sleep(30 * MINUTE)
    w.advance(19 * MINUTE)
    assert not w.active_starts
    w.advance(MINUTE)
    assert w.active_starts


@pytest.mark.parametrize("set_by", [-365 * DAY, 365 * DAY])
def test_what_waited_first_is_first_after_the_clock_was_set(world, job, set_by):
    w = world(job("busy"), job("first"), job("second"), max_parallel=1)
    busy, first = w.trigger("busy"), w.trigger("first")
    w.set_clock(set_by)
    w.trigger("second")
    w.end(busy)
    assert list(w.active_starts) == [first]


@in_each_case
def test_a_run_takes_as_long_as_it_takes(world, job, restarts, set_by, reboots):
    w = world(job("a", retry_policy=RetryPolicy(attempts=2, delay="60s", jitter=0)))
    run = w.trigger("a")
    w.advance(MINUTE)
    w.fail(run)
    w.advance(6 * MINUTE)
    let_happen(w, restarts, set_by, reboots=False, alive=[run])
    w.advance(5 * MINUTE)
    w.end(run)
    (over,) = w.history
    assert over.duration == 12 * MINUTE
    assert [over.duration_of(attempt) for attempt in over.attempts] == [MINUTE, 10 * MINUTE]


def test_time_asleep_counts_for_a_delay_and_not_for_a_timeout(world, job):
    w = world(job("a", retry_policy=RetryPolicy(attempts=2, delay="60s", jitter=0)), job("b", timeout="10m"))
    run = w.trigger("b")
    w.fail(w.trigger("a"))
    w.crash(alive=[run])
    w.sleep(30 * MINUTE)
    assert {start.job.id for start in w.active_starts.values()} == {"a", "b"}
    w.advance(9 * MINUTE)
    assert not w.cancelled
    w.advance(2 * MINUTE)
    assert [cancel.run for cancel in w.cancelled] == [run]


@in_each_case
def test_a_wait_for_a_guard_is_no_longer_than_was_decided(world, restarts, set_by, reboots):
    guarded = Job(id="a", command="work", guards=[GuardRef("power", {}, "power")], guard_timeout="10m")
    w = world(Plan(guarded, guards={"power": None}))
    w.answer_guard = lambda _, __: GuardResult(Verdict.NO, "on battery")
    w.fire("a", "source", "event")
    w.advance(4 * MINUTE)
    let_happen(w, restarts, set_by, reboots)
    if set_by <= timedelta(0) or not reboots:
        w.advance(5 * MINUTE)
        assert w.engine.runs(), "it waits for the rest of its time"
    w.advance(6 * MINUTE)
    assert [run.state for run in w.history] == [RunState.SKIPPED]


def test_several_restarts_count_a_delay_once(world, job):
    w = world(job("a", retry_policy=RetryPolicy(attempts=2, delay="60s", jitter=0)))
    w.fail(w.trigger("a"))
    for _ in range(5):
        w.advance(10 * SECOND)
        w.crash(reboots=True)
        assert not w.active_starts
    w.advance(11 * SECOND)
    assert w.active_starts
