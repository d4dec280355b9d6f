"""Schedules come due; what was missed is made up for, or given up on record."""

from datetime import timedelta

import pytest

from rae_auto.engine.catch_up import LIMIT, occurrences
from rae_auto.model.decision import Outcome
from rae_auto.model.reasons import Reason
from rae_auto.simulation.world import EPOCH

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_a_due_job_starts_at_its_instant_and_no_other(world, job):
    w = world(job("a", every=5))
    w.advance(20 * MINUTE - timedelta(seconds=1))
    for run in list(w.in_hand):
        w.end(run)
    assert [start.run.scheduled_for - EPOCH for start in w.started] == [5 * MINUTE]
    assert [d.outcome for d in w.decisions] == [Outcome.RUN, Outcome.SKIP, Outcome.SKIP]


def test_jobs_that_share_a_schedule_come_due_together(world, job):
    w = world(*(job(f"j{n}", every=5) for n in range(50)), max_parallel=100)
    w.advance(5 * MINUTE)
    assert len(w.in_hand) == 50


def test_a_job_added_at_an_instant_is_due_from_the_next_one(world, job):
    w = world(job("a", every=5))
    w.advance(5 * MINUTE)
    w.add(job("b", every=5))
    assert [start.run.job for start in w.started] == ["a"]
    w.advance(5 * MINUTE)
    assert [start.run.job for start in w.started] == ["a", "b"]


def test_while_nothing_is_due_the_engine_wants_no_waking(world, job):
    assert world(job("by-hand")).engine.next_wake(world().now) is None


@pytest.mark.parametrize(("policy", "made_up"), [("none", 0), ("latest", 1), ("all", 3)])
def test_downtime_is_caught_up_by_policy_and_the_rest_is_on_record(world, job, policy, made_up):
    w = world(job("a", every=60, catch_up=policy, overlap="allow"))
    w.crash(down=3 * HOUR + 30 * MINUTE)
    caught_up = [d for d in w.decisions if d.reason is Reason.CAUGHT_UP]
    missed = [d for d in w.decisions if d.reason is Reason.MISSED]
    assert len(caught_up) == made_up
    assert sum(d.facts["counted"] for d in missed) == 3 - made_up


def test_what_is_older_than_the_window_is_given_up(world, job):
    w = world(job("a", every=60, catch_up="all", catch_up_window="90m", overlap="allow"))
    w.crash(down=5 * HOUR + MINUTE)
    assert [start.run.scheduled_for - EPOCH for start in w.started] == [4 * HOUR, 5 * HOUR]


def test_a_short_absence_is_merely_late(world, job):
    w = world(job("a", every=1, catch_up="none"))
    w.crash(down=90 * timedelta(seconds=1))
    assert [d.reason for d in w.decisions] == [Reason.DUE]


def test_nothing_is_caught_up_twice(world, job):
    w = world(job("a", every=60, catch_up="latest"))
    w.crash(down=3 * HOUR)
    w.crash()
    w.crash()
    assert len([d for d in w.decisions if d.outcome is Outcome.RUN]) == 1


def test_a_schedule_changed_while_down_owes_nothing_of_its_new_form(world, job):
    w = world(job("a", every=24 * 60, catch_up="latest"))
    w._plans = {"a": job("a", every=60, catch_up="latest")}
    w.crash(down=5 * HOUR)
    assert w.decisions == []


def test_years_of_downtime_are_looked_at_in_bounded_steps(every):
    schedule = every(1)
    missed = occurrences(schedule, EPOCH, EPOCH + 3650 * DAY)
    assert (len(missed.instants), missed.older) == (LIMIT, True)
    assert missed.instants[-1] == EPOCH + 3650 * DAY


def test_few_occurrences_in_a_long_time_are_all_found(every):
    schedule = every(60 * 24 * 30)
    first = schedule.next_after(EPOCH)
    missed = occurrences(schedule, first, EPOCH + 365 * DAY)
    assert missed.older is False
    assert missed.instants[0] == first
    assert len(missed.instants) == 12
