"""Stopping: a cancelled or timed-out run stays so, whatever happens until its attempt has ended."""

from datetime import timedelta

import pytest

from rae_auto.model.policies import RetryPolicy
from rae_auto.model.reasons import Cancelled, DaemonStopping, LostInCrash, TimedOut
from rae_auto.model.run import Result, Run, RunState, Stopping

MINUTE = timedelta(minutes=1)
RERUN = {"on_crash": "rerun", "retry_policy": RetryPolicy(attempts=5, on=("failure", "lost"), delay=timedelta(0))}


def cancelled(world, job):
    """Return a world with one run that is being cancelled, and the run's id."""
    w = world(job("a", **RERUN))
    run = w.trigger("a")
    w.confirm(run)
    w.cancel(job="a")
    return w, run


def timed_out(world, job):
    """Return a world with one run that is being ended because it has timed out, and the run's id."""
    w = world(job("a", timeout="1m", **RERUN))
    run = w.trigger("a")
    w.advance(MINUTE)
    return w, run


STOPS = pytest.mark.parametrize(
    ("stop", "stopping"),
    [
        (cancelled, Stopping(RunState.CANCELLED, Cancelled())),
        (timed_out, Stopping(RunState.TIMED_OUT, TimedOut(MINUTE))),
    ],
)


@STOPS
def test_stop_is_saved_when_it_is_decided(world, job, stop, stopping):
    w, run = stop(world, job)
    (kept,) = w.stored(Run)
    assert (kept.stopping, kept.state.active) == (stopping, True)
    assert [cancel.run for cancel in w.cancelled] == [run]


@STOPS
def test_stop_is_carried_out_again_after_adoption(world, job, stop, stopping):
    w, run = stop(world, job)
    w.cancelled.clear()
    w.crash(alive=[run])
    assert [cancel.run for cancel in w.cancelled] == [run]
    w.end(run, Result(exit_code=0))
    assert [over.state for over in w.history] == [stopping.state]


@STOPS
def test_attempt_that_ended_in_a_crash_ends_as_decided(world, job, stop, stopping):
    w, run = stop(world, job)
    w.crash(ended={run: Result(exit_code=0)})
    assert [over.state for over in w.history] == [stopping.state]


@STOPS
@pytest.mark.parametrize("never_started", [False, True])
def test_attempt_lost_in_a_crash_is_not_repeated(world, job, stop, stopping, never_started):
    w, run = stop(world, job)
    w.crash(never_started=[run] if never_started else [])
    (over,) = w.history
    assert (over.state, over.reason) == (stopping.state, stopping.reason or LostInCrash())
    assert len(w.started) == 1


@STOPS
def test_first_stop_counts(world, job, stop, stopping):
    w, run = stop(world, job)
    w.cancel(run=run)
    w.stop()
    w.end(run, Result(signal=15))
    assert [over.state for over in w.history] == [stopping.state]


def test_retry_after_a_timeout_starts_without_a_stop(world, job):
    w = world(job("a", timeout="1m", retry_policy=RetryPolicy(attempts=2, delay=timedelta(0))))
    run = w.trigger("a")
    w.advance(MINUTE)
    w.end(run, Result(signal=15))
    (start,) = w.started[1:]
    assert start.run.stopping is None
    w.end(run)
    assert [over.state for over in w.history] == [RunState.SUCCEEDED]


def test_timeout_after_a_cancellation_changes_nothing(world, job):
    w = world(job("a", timeout="1m"))
    run = w.trigger("a")
    w.cancel(run=run)
    w.advance(MINUTE)
    assert len(w.cancelled) == 1
    w.end(run, Result(signal=9))
    assert [(over.state, over.reason) for over in w.history] == [(RunState.CANCELLED, Cancelled())]


def test_interruption_is_not_saved_at_once_so_that_it_needs_no_store(world, job):
    w = world(job("a"))
    run = w.trigger("a")
    w.store.commit = None
    w.stop()
    assert [cancel.run for cancel in w.cancelled] == [run]


def interrupted(world, job):
    """Return a world that stops with a run that takes longer to end than it is waited for, and the run's id."""
    w = world(job("a", kill_after="1m", **RERUN))
    run = w.trigger("a")
    w.confirm(run)
    w.stop()
    w.advance(timedelta(seconds=1))
    return w, run


def test_interrupted_run_that_outlives_the_stop_is_ended_by_the_next(world, job):
    w, run = interrupted(world, job)
    w.cancelled.clear()
    w.crash(alive=[run])
    assert [cancel.run for cancel in w.cancelled] == [run]
    w.end(run, Result(signal=9))
    assert [(over.state, over.reason) for over in w.history] == [(RunState.INTERRUPTED, DaemonStopping())]


@pytest.mark.parametrize("result", [Result(signal=9), Result(exit_code=0)])
def test_interrupted_run_that_ended_without_a_daemon_is_interrupted(world, job, result):
    w, run = interrupted(world, job)
    w.crash(ended={run: result})
    assert [(over.state, over.reason) for over in w.history] == [(RunState.INTERRUPTED, DaemonStopping())]


def test_interrupted_run_that_is_lost_is_not_repeated(world, job):
    w, _ = interrupted(world, job)
    w.crash()
    assert [(over.state, over.reason) for over in w.history] == [(RunState.INTERRUPTED, DaemonStopping())]
    assert len(w.started) == 1


def test_interrupted_run_ends_as_interrupted(world, job):
    w = world(job("a"))
    run = w.trigger("a")
    w.stop()
    w.end(run, Result(signal=15))
    assert [(over.state, over.reason) for over in w.history] == [(RunState.INTERRUPTED, DaemonStopping())]


@pytest.mark.parametrize(("ended_after", "took"), [(20, 20), (-5, 0), (90, 60)], ids=["past", "too early", "future"])
def test_a_run_that_ended_in_the_past_has_its_true_end(world, job, ended_after, took):
    """Clocks may have been set since: the end lies between the start and now."""
    w = world(job("a"))
    began = w.now.wall
    run = w.trigger("a")
    w.confirm(run)
    w.advance(MINUTE)
    w.end(run, Result(exit_code=0, ended_at=began + timedelta(seconds=ended_after)))
    over = w.run(run)
    assert over.duration == over.duration_of(over.attempts[0]) == timedelta(seconds=took)
    assert over.finished_at == began + timedelta(seconds=took)
    assert over.attempts[0].result == Result(exit_code=0)
