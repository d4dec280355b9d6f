"""The next starts of many jobs are those that each job has by itself, the earliest first."""

from datetime import timedelta
from random import Random

import pytest
from tests.fuzz.fuzz_run import FuzzRun
from tests.support.why import HOUR, a_job, world

from rae_auto.explain.upcoming import iterate_starts
from rae_auto.model.reasons import SkippedByHand


def slowly(engine, limit):
    """Return the same by asking every job."""
    starts = [(engine.next_at(entry.job.id), entry.job.id) for entry in engine.jobs()]
    due = [(at, job) for at, job in starts if at is not None]
    return sorted(due, key=lambda pair: pair[0])[:limit]


@pytest.mark.parametrize("seed", range(20))
def test_next_starts_of_random_worlds_are_those_of_each_job(seed):
    fuzz_run = FuzzRun(seed)
    fuzz_run.play(40)
    for limit in (1, 3, 10):
        assert fuzz_run.world.engine.next_starts(limit) == slowly(fuzz_run.world.engine, limit)


def slowly_after(engine, limit, after):
    """Return the same after an instant, by asking every job."""
    due = []
    for entry in engine.jobs():
        if entry.job.enabled and engine.settings_enabled and not engine.is_stopping:
            paused = entry.state.paused and entry.state.paused_until is None
            starts = () if paused else iterate_starts(entry.plan, entry.state, after)
            found = next((one.due_at for one in starts if not isinstance(one.blocker, SkippedByHand)), None)
            delayed = engine.delayed_until(entry.job.id)
            found = min((at for at in (found, delayed) if at is not None and at > after), default=None)
            due += [] if found is None else [(found, entry.job.id)]
    return sorted(due, key=lambda pair: pair[0])[:limit]


@pytest.mark.parametrize("seed", range(20))
def test_starts_after_an_instant_are_those_of_each_job(seed):
    fuzz_run = FuzzRun(seed)
    fuzz_run.play(40)
    engine = fuzz_run.world.engine
    for hours in (0.1, 5, 50):
        after = fuzz_run.world.now.wall + hours * HOUR
        assert engine.next_starts(3, after) == slowly_after(engine, 3, after)


def test_next_starts_leave_out_pauses_and_skips():
    w = world(*(a_job(name) for name in "cab"))
    w.pause("c")
    w.pause("a", until=w.now.wall + 3 * HOUR)
    assert w.engine.next_starts(10) == slowly(w.engine, 10)
    assert [job for _, job in w.engine.next_starts(2)] == ["b", "a"]


def test_jobs_of_one_instant_come_in_their_order():
    names = [f"job-{number}" for number in range(50)]
    Random(1).shuffle(names)
    w = world(*(a_job(name) for name in names))
    w.advance(timedelta(minutes=1))
    assert [job for _, job in w.engine.next_starts(10)] == names[:10]


@pytest.mark.parametrize(("ran_ahead", "set_back"), [(HOUR, HOUR / 2), (HOUR, 2 * HOUR)])
def test_start_decided_before_the_clock_went_back_is_not_next_again(ran_ahead, set_back):
    w = world(a_job("a"))
    w.advance(HOUR)
    w.set_clock(ran_ahead)
    decided = {run.scheduled_for for run in (*w.history, *(entry.run for entry in w.engine.runs()))}
    w.set_clock(-set_back)
    promised = w.engine.next_at("a")
    assert promised not in decided
    assert w.skip("a") == promised
