"""Schedules come due; missed instants are caught up, or skipped with a record."""

from datetime import datetime, timedelta

import pytest
from attrs import evolve, frozen

from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored, TimePassed
from rae_auto.engine.plan import Settings
from rae_auto.engine.time.catch_up import MAX_INSTANTS, find_due_instants
from rae_auto.engine.time.cursors import cursors_for
from rae_auto.model.decision import Outcome
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import CaughtUp, Due, MaxOverlap, Missed, MissedCause, Paused
from rae_auto.model.run import Result
from rae_auto.simulation.virtual_engine import EPOCH, plan

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_due_job_starts_at_its_instant(world, job):
    w = world(job("a", every=5))
    w.advance(20 * MINUTE - timedelta(seconds=1))
    for run in list(w.active_starts):
        w.end(run)
    assert [start.run.scheduled_for - EPOCH for start in w.started] == [5 * MINUTE]
    assert [d.outcome for d in w.decisions] == [Outcome.RUN, Outcome.SKIP, Outcome.SKIP]


def test_jobs_with_one_schedule_come_due_together(world, job):
    w = world(*(job(f"j{n}", every=5) for n in range(50)), max_parallel=100)
    w.advance(5 * MINUTE)
    assert len(w.active_starts) == 50


def test_job_added_at_an_instant_is_due_from_the_next_one(world, job):
    w = world(job("a", every=5))
    w.advance(5 * MINUTE)
    w.add(job("b", every=5))
    assert [start.run.job for start in w.started] == ["a"]
    w.advance(5 * MINUTE)
    assert [start.run.job for start in w.started] == ["a", "b"]


def test_restored_engine_wants_to_decide_at_once_what_it_missed(job):
    engine, start = Engine(), Moment(EPOCH, 0.0, boot="boot")
    engine.handle(Restored(Settings(), (job("a", every=60),)), start)
    assert engine.next_wake(start) == 0
    engine.handle(TimePassed(), start)
    assert engine.next_wake(start) == 3600
    later = evolve(start, wall=start.wall + 2.5 * HOUR, slept=9000.0)
    decisions = engine.handle(TimePassed(), later).decisions
    assert {decision.reason.cause for decision in decisions} == {MissedCause.SLEPT}


def test_restored_jobs_that_are_alike_come_due_in_their_order(job):
    shared = job("a", every=5).schedules
    plans = [evolve(job(f"j{n}", every=5), schedules=shared) for n in range(6)]
    early, late = (cursors_for(plans[0], {}, EPOCH + since * MINUTE) for since in (1, 2))
    states = [JobState(plan.job.id, cursors=late if n % 2 else early) for n, plan in enumerate(plans)]
    engine, now = Engine(), Moment(EPOCH + 5 * MINUTE, 0.0, boot="boot")
    engine.handle(Restored(Settings(6), tuple(plans), tuple(states)), now)
    decisions = engine.handle(TimePassed(), now).decisions
    assert [(one.job, one.outcome) for one in decisions] == [(f"j{n}", Outcome.RUN) for n in range(6)]


def test_next_wake_is_none_while_nothing_is_due(world, job):
    assert world(job("by-hand")).engine.next_wake(world().now) is None


@frozen
class Once:
    """A schedule with a single instant."""

    at: datetime
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime | None:
        return self.at if self.at > instant else None


@pytest.mark.requirement("R13")
@pytest.mark.parametrize(("policy", "made_up"), [("none", 0), ("latest", 1), ("all", 3)])
def test_downtime_is_caught_up_by_policy_and_the_rest_is_recorded(world, job, policy, made_up):
    w = world(job("a", every=60, catch_up=policy, overlap="allow"))
    w.crash(down=3 * HOUR + 30 * MINUTE)
    caught_up = [d for d in w.decisions if isinstance(d.reason, CaughtUp)]
    missed = [d for d in w.decisions if isinstance(d.reason, Missed)]
    assert len(caught_up) == made_up
    assert sum(d.reason.count for d in missed) == 3 - made_up


def test_instants_older_than_the_window_are_given_up(world, job):
    w = world(job("a", every=60, catch_up="all", catch_up_window="90m", overlap="allow"))
    w.crash(down=5 * HOUR + MINUTE)
    assert [start.run.scheduled_for - EPOCH for start in w.started] == [4 * HOUR, 5 * HOUR]


def test_the_default_window_fits_the_schedule(world, job):
    w = world(job("weekly", every=7 * 24 * 60), job("often", every=6 * 60, catch_up="all", overlap="allow"))
    w.crash(down=10 * DAY + HOUR)
    w.advance(MINUTE)
    ages = {start.run.job: [] for start in w.started}
    for start in w.started:
        ages[start.run.job].append(EPOCH + 10 * DAY + HOUR - start.run.scheduled_for)
    assert ages == {"weekly": [3 * DAY + HOUR], "often": [19 * HOUR, 13 * HOUR, 7 * HOUR, HOUR]}


def test_a_window_that_decides_is_named(world, job):
    w = world(job("weekly", every=7 * 24 * 60, catch_up_window="2d"))
    w.advance(24 * HOUR)
    w.crash(down=10 * 24 * HOUR)
    (missed,) = [d.reason for d in w.decisions if isinstance(d.reason, Missed)]
    assert missed.text.endswith('; older than catch_up_window = "2d")')


def test_a_schedule_that_ended_is_caught_up_for_a_day(world):
    for down, starts in ((23 * HOUR, 1), (26 * HOUR, 0)):
        w = world(plan(Job(id="once", command="work"), t=Once(EPOCH + HOUR)))
        w.crash(down=down)
        w.advance(MINUTE)
        assert len(w.started) == starts


def test_short_downtime_makes_an_instant_late(world, job):
    w = world(job("a", every=1, catch_up="none"))
    w.crash(down=90 * timedelta(seconds=1))
    assert [d.reason for d in w.decisions] == [Due()]


@pytest.mark.requirement("R1")
def test_caught_up_instants_are_not_caught_up_again(world, job):
    w = world(job("a", every=60, catch_up="latest"))
    w.crash(down=3 * HOUR)
    w.crash()
    w.crash()
    assert len([d for d in w.decisions if d.outcome is Outcome.RUN]) == 1


def test_schedule_changed_during_downtime_misses_nothing(world, job):
    w = world(job("a", every=24 * 60, catch_up="latest"))
    w._plans = {"a": job("a", every=60, catch_up="latest")}
    w.crash(down=5 * HOUR)
    assert w.decisions == []


@pytest.mark.requirement("R13")
def test_find_due_instants_is_bounded_over_years(every):
    schedule = every(1)
    missed = find_due_instants(schedule, EPOCH, EPOCH + 3650 * DAY)
    assert (len(missed.instants), missed.older) == (MAX_INSTANTS, missed.instants[0] - MINUTE)
    assert missed.instants[-1] == EPOCH + 3650 * DAY


@frozen
class CountedWindow:
    """A schedule of every second in a window, which counts how often it is asked."""

    since: datetime
    until: datetime
    asked: list[datetime]
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime | None:
        self.asked.append(instant)
        following = max(instant.replace(microsecond=0) + timedelta(seconds=1), self.since)
        return following if following <= self.until else None


@pytest.mark.parametrize("hours_since", [0, 0.01, 1, 16, 24 * 30, 24 * 3650])
def test_find_due_instants_is_bounded_behind_a_dense_window(hours_since):
    window = CountedWindow(EPOCH, EPOCH + timedelta(hours=8), [])
    found = find_due_instants(window, EPOCH, window.until + timedelta(hours=hours_since))
    assert found.instants == tuple(window.until - timedelta(seconds=n) for n in reversed(range(MAX_INSTANTS)))
    assert found.older == found.instants[0] - timedelta(seconds=1)
    assert len(window.asked) < 12_000


def test_find_due_instants_finds_few_instants_in_a_long_time(every):
    schedule = every(60 * 24 * 30)
    first = schedule.next_after(EPOCH)
    missed = find_due_instants(schedule, first, EPOCH + 365 * DAY)
    assert missed.older is None
    assert missed.instants[0] == first
    assert len(missed.instants) == 12


def test_catch_up_all_runs_one_after_the_other(world, job):
    w = world(job("a", every=60, catch_up="all"))
    w.crash(down=3 * HOUR + 30 * MINUTE)
    w.advance(MINUTE)
    instants = []
    while w.active_starts:
        (run,) = w.active_starts
        instants.append(w.active_starts[run].run.scheduled_for - EPOCH)
        w.end(run)
    assert instants == [HOUR, 2 * HOUR, 3 * HOUR]


def test_catch_up_all_respects_overlap_max(world, job):
    w = world(job("a", every=1, catch_up="all", overlap="allow", overlap_max=3), max_parallel=50)
    w.crash(down=HOUR)
    w.advance(MINUTE)
    assert len(w.active_starts) == 3
    waiting = [o.run.id for o in w.engine.runs() if not o.run.state.active]
    assert isinstance(w.engine.waiting_for(waiting[-1]), MaxOverlap)
    w.end(next(iter(w.active_starts)))
    assert len(w.active_starts) == 3


@pytest.mark.requirement("R13")
def test_jobs_that_catch_up_together_start_at_intervals(world, job):
    w = world(*(job(f"j{n}", every=24 * 60) for n in range(240)), max_parallel=1000)
    w.crash(down=30 * HOUR)
    assert len(w.active_starts) == 1
    w.advance(30 * timedelta(seconds=1))
    assert 110 <= len(w.active_starts) <= 130
    w.advance(MINUTE)
    assert len(w.active_starts) == 240


def test_late_instants_start_without_delay(world, job):
    w = world(*(job(f"j{n}", every=60) for n in range(20)), max_parallel=1000)
    w.crash(down=HOUR + timedelta(seconds=5))
    assert len(w.active_starts) == 20


@pytest.mark.requirement("R12")
def test_sleep_is_caught_up_and_the_rest_names_it_as_cause(world, job):
    w = world(job("a", every=60))
    w.sleep(5 * HOUR + 10 * MINUTE)
    missed, caught_up = w.decisions
    assert (missed.reason.count, missed.reason.cause) == (4, MissedCause.SLEPT)
    assert (caught_up.reason, caught_up.at) == (CaughtUp(MissedCause.SLEPT), EPOCH + 5 * HOUR)


@pytest.mark.requirement("R12")
def test_clock_set_forward_is_caught_up(world, job):
    w = world(job("a", every=60))
    w.set_clock(5 * HOUR + 10 * MINUTE)
    assert [d.reason.code for d in w.decisions] == [Missed.code, CaughtUp.code]
    assert w.decisions[0].reason.cause is MissedCause.SET_FORWARD


def test_missed_instants_name_downtime_as_cause(world, job):
    w = world(job("a", every=60, catch_up="none"))
    w.crash(down=2 * HOUR + 10 * MINUTE)
    assert w.decisions[0].reason.cause is MissedCause.DOWN


@pytest.mark.requirement("R14")
@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("back", [2 * timedelta(seconds=1), 10 * MINUTE, 2 * HOUR, 5 * HOUR])
def test_clock_set_back_repeats_nothing(world, job, restart, back):
    w = world(job("a", every=60, overlap="allow", overlap_max=100))
    w.advance(6 * HOUR)
    w.set_clock(-back)
    if restart:
        w.crash()
    w.advance(back + 2 * HOUR)
    assert [start.run.scheduled_for - EPOCH for start in w.started] == [n * HOUR for n in range(1, 9)]


@pytest.mark.requirement("R14")
@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_clock_a_year_ahead_does_not_silence_a_job(world, job, restart):
    w = world(job("a", every=60, catch_up="none", overlap="allow", overlap_max=100))
    w.set_clock(365 * DAY)
    w.advance(2 * HOUR)
    w.set_clock(-365 * DAY - 90 * MINUTE)
    if restart:
        w.crash()
    w.advance(3 * HOUR)
    year = 365 * DAY
    ran = [start.run.scheduled_for - EPOCH for start in w.started]
    assert ran == [year, year + HOUR, year + 2 * HOUR, HOUR, 2 * HOUR, 3 * HOUR]


def test_instants_decided_ahead_of_time_are_not_repeated(world, job):
    w = world(job("a", every=60, overlap="allow", overlap_max=100), max_parallel=100)
    w.advance(HOUR)
    w.set_clock(6 * HOUR)
    w.advance(HOUR)
    # 07:00 was caught up with, 08:00 was due; then it turns out that it is half past twelve.
    w.set_clock(-7 * HOUR - 30 * MINUTE)
    w.advance(10 * HOUR)
    ran = [int((start.run.scheduled_for - EPOCH) / HOUR) for start in w.started]
    assert ran == [1, 7, 8, 2, 3, 4, 5, 6, 9, 10]


@pytest.mark.requirement("R11")
def test_delay_ends_during_sleep(world, job):
    w = world(job("a", retry_policy=RetryPolicy(attempts=2, delay="5m", jitter=0)))
    run = w.trigger("a")
    w.fail(run)
    w.sleep(HOUR)
    assert list(w.active_starts) == [run]
    w.end(run)
    w.advance(HOUR)
    assert len(w.started) == 2


@pytest.mark.requirement("R11")
def test_timeout_does_not_count_sleep(world, job):
    w = world(job("a", timeout="10m"))
    run = w.trigger("a")
    w.sleep(HOUR)
    assert w.cancelled == []
    w.advance(11 * MINUTE)
    assert [cancel.run for cancel in w.cancelled] == [run]


@pytest.mark.requirement("R7")
@pytest.mark.parametrize("outcome", ["ended", "lost"])
def test_fates_of_attempts_come_before_catch_up(world, job, outcome):
    w = world(job("a", every=60, overlap="skip", on_crash="fail"))
    w.advance(timedelta(hours=1))
    (start,) = w.started
    w.confirm(start.run.id)
    w.crash(ended={start.run.id: Result(exit_code=0)} if outcome == "ended" else {}, down=timedelta(hours=1))
    assert w.decisions[-1].outcome is Outcome.RUN, "the run of before isn't in the way any more"
    assert isinstance(w.decisions[-1].reason, Due)


def test_instants_refused_together_have_one_decision(world, job):
    w = world(job("a", every=1, catch_up="all"))
    w.pause("a")
    w.crash(down=60 * MINUTE)
    (decision,) = w.decisions
    assert decision.reason == Paused()
    assert (decision.since, decision.at, decision.count) == (EPOCH + MINUTE, EPOCH + 60 * MINUTE, 60)
    w.advance(MINUTE)
    assert (w.decisions[-1].since, w.decisions[-1].count) == (None, 1)


def test_many_jobs_that_catch_up_make_a_bounded_number_of_changes(world, job):
    """2,500 jobs with 100 missed instants each: no more changes than runs fit into the queue, and one span a job."""
    w = world(*(job(f"j{n}", every=1, overlap="allow", overlap_max=100, catch_up="all") for n in range(2500)))
    w.crash(down=3 * HOUR)
    runs = sum(decision.run is not None for decision in w.decisions)
    assert runs <= 10_000 + 8
    assert len(w.decisions) - runs <= 2 * 2500
