"""Expectations: overdue jobs and runs that take too long are noticed once, whatever the clocks and the daemon do."""

from datetime import timedelta

import pytest
from attrs import evolve

from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.effects import ExpectationBreached
from rae_auto.engine.plan import JobOrigin, Settings
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.policies import RetryPolicy

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DAILY = {"every": "1d", "grace": "1h"}


def list_reports(w):
    """Return what was reported: the hours since the start, and what began or ended then."""
    hours = [(at - w.notes_from).total_seconds() / 3600 for at, _ in w.breaches]
    marks = ["+" if isinstance(effect, ExpectationBreached) else "-" for _, effect in w.breaches]
    return [(round(h, 3), mark + e.breach.code) for h, mark, (_, e) in zip(hours, marks, w.breaches, strict=True)]


@pytest.fixture
def expecting(world, job):
    def make(expect=DAILY, **fields):
        w = world(job("a", expect=ExpectPolicy(**expect), **fields))
        w.notes_from = w.now.wall
        return w

    return make


def succeed(w):
    run = w.trigger("a")
    w.end(run)


def test_job_that_does_not_succeed_in_time_is_overdue_once(expecting):
    w = expecting()
    w.advance(5 * DAY)
    assert list_reports(w) == [(25, "+overdue")]


def test_job_that_succeeds_in_time_is_not_overdue(expecting):
    w = expecting()
    for _ in range(5):
        w.advance(DAY)
        succeed(w)
    assert list_reports(w) == []


def test_job_that_fails_in_time_is_overdue(expecting):
    w = expecting()
    w.advance(DAY)
    w.fail(w.trigger("a"))
    w.advance(DAY)
    assert list_reports(w) == [(25, "+overdue")]


def test_success_ends_the_breach_and_the_next_one_is_reported_again(expecting):
    w = expecting()
    w.advance(30 * HOUR)
    succeed(w)
    w.advance(26 * HOUR)
    assert list_reports(w) == [(25, "+overdue"), (30, "-overdue"), (55, "+overdue")]


def test_breach_is_not_reported_again_after_a_crash(expecting):
    w = expecting()
    w.advance(26 * HOUR)
    w.crash()
    w.advance(2 * DAY)
    w.crash(reboots=True, down=HOUR)
    w.advance(DAY)
    assert list_reports(w) == [(25, "+overdue")]
    succeed(w)
    assert list_reports(w)[1:] == [(99, "-overdue")]


@pytest.mark.parametrize("reboots", [False, True])
def test_time_goes_on_over_a_crash(expecting, reboots):
    w = expecting()
    w.advance(20 * HOUR)
    w.crash(reboots=reboots, down=HOUR)
    w.advance(DAY)
    assert list_reports(w) == [(25, "+overdue")]


def test_job_may_catch_up_within_the_grace_after_a_downtime(expecting):
    w = expecting()
    w.advance(HOUR)
    w.crash(down=2 * DAY)
    assert list_reports(w) == []
    w.advance(DAY)
    assert list_reports(w) == [(50, "+overdue")]


def test_daemon_that_restarts_all_the_time_reports_all_the_same(expecting):
    w = expecting()
    w.crash(down=2 * DAY)
    for _ in range(5):
        w.advance(20 * MINUTE)
        w.crash()
    assert list_reports(w) == [(49, "+overdue")]


def test_job_may_catch_up_within_the_grace_after_a_sleep(expecting):
    w = expecting()
    w.advance(HOUR)
    w.sleep(2 * DAY)
    assert list_reports(w) == []
    w.advance(DAY)
    assert list_reports(w) == [(50, "+overdue")]


def test_sleep_counts_as_time(expecting):
    w = expecting()
    w.sleep(20 * HOUR)
    w.advance(DAY)
    assert list_reports(w) == [(25, "+overdue")]


@pytest.mark.parametrize("set_by", [-3 * DAY, 3 * DAY, HOUR, -HOUR])
def test_clock_that_is_set_makes_no_job_overdue(expecting, set_by):
    w = expecting()
    w.advance(HOUR)
    w.set_clock(set_by)
    w.advance(23 * HOUR)
    assert list_reports(w) == []
    w.advance(2 * HOUR)
    assert [what for _, what in list_reports(w)] == ["+overdue"]
    assert w.engine.job("a").state.expectation.since.wall == w.notes_from + set_by


@pytest.mark.parametrize("set_by", [-3 * DAY, 3 * DAY])
def test_clock_that_is_set_while_down_makes_no_job_overdue(expecting, set_by):
    w = expecting()
    w.advance(HOUR)
    w.crash(clock_set_by=set_by)
    w.advance(23 * HOUR)
    assert list_reports(w) == []
    w.advance(2 * HOUR)
    assert [what for _, what in list_reports(w)] == ["+overdue"]


def test_paused_job_is_not_overdue_and_has_all_its_time_afterwards(expecting):
    w = expecting()
    w.advance(10 * HOUR)
    w.pause("a")
    w.crash()
    w.advance(5 * DAY)
    assert list_reports(w) == []
    w.resume("a")
    w.advance(2 * DAY)
    assert list_reports(w) == [(10 + 120 + 25, "+overdue")]


def test_pause_of_an_overdue_job_ends_the_breach_without_a_word(expecting):
    w = expecting()
    w.advance(2 * DAY)
    w.pause("a")
    assert w.engine.job("a").state.expectation is None
    w.resume("a")
    w.advance(2 * DAY)
    assert list_reports(w) == [(25, "+overdue"), (48 + 25, "+overdue")]


def test_disabled_job_is_not_overdue(expecting):
    w = expecting(enabled=False)
    w.advance(5 * DAY)
    assert list_reports(w) == []


def test_disabled_configuration_expects_nothing(world, job):
    planned = evolve(job("a", expect=ExpectPolicy(**DAILY)), origin=JobOrigin.CONFIG)
    w = world(planned, enabled=False)
    w.notes_from = w.now.wall
    w.advance(5 * DAY)
    assert list_reports(w) == []
    w.feed(Reconfigure(Settings(), (planned,)))
    w.advance(2 * DAY)
    assert list_reports(w) == [(120 + 25, "+overdue")]
    w.feed(Reconfigure(Settings(enabled=False), (planned,)))
    assert w.engine.job("a").state.expectation is None


def test_longer_time_in_a_new_definition_ends_the_breach(expecting, job):
    w = expecting()
    w.advance(2 * DAY)
    w.add(job("a", expect=ExpectPolicy(every="3d", grace="1h")), replace=True)
    assert w.engine.job("a").state.expectation.overdue_at is None
    w.advance(2 * DAY)
    assert list_reports(w) == [(25, "+overdue"), (73, "+overdue")]


def test_shorter_time_in_a_new_definition_counts_at_once(expecting, job):
    w = expecting()
    w.advance(10 * HOUR)
    w.add(job("a", expect=ExpectPolicy(every="8h", grace="1h")), replace=True)
    w.advance(MINUTE)
    assert list_reports(w) == [(10, "+overdue")]


def test_grace_is_a_tenth_of_every_by_default(expecting):
    w = expecting({"every": "10h"})
    w.advance(DAY)
    assert list_reports(w) == [(11, "+overdue")]


def test_job_that_succeeds_each_minute_wakes_the_engine_once_in_every(expecting):
    w = expecting({"every": "1h", "grace": "0s"})
    wakes = 0
    for _ in range(600):
        before = w.engine.next_wake(w.now)
        wakes += before <= 60
        w.advance(MINUTE)
        succeed(w)
    assert list_reports(w) == []
    assert wakes <= 11


def test_removed_job_is_forgotten(expecting, job):
    w = expecting()
    w.advance(20 * HOUR)
    w.remove("a")
    w.add(job("a", expect=ExpectPolicy(**DAILY)))
    w.advance(2 * DAY)
    assert list_reports(w) == [(45, "+overdue")]


def test_run_that_takes_too_long_is_reported_once_and_goes_on(expecting):
    w = expecting({"max_runtime": "2h"})
    run = w.trigger("a")
    w.confirm(run)
    w.advance(DAY)
    w.crash(alive=[run])
    w.advance(DAY)
    assert list_reports(w) == [(2, "+overrun")]
    assert not w.cancelled
    w.end(run)
    assert list_reports(w) == [(2, "+overrun"), (48, "-overrun")]
    assert w.run(run).overran_at == w.notes_from + 2 * HOUR


def test_run_that_ends_in_time_is_not_reported(expecting):
    w = expecting({"max_runtime": "2h"})
    run = w.trigger("a")
    w.advance(HOUR)
    w.end(run)
    w.advance(DAY)
    assert list_reports(w) == []


def test_time_of_a_run_goes_on_over_a_crash(expecting):
    w = expecting({"max_runtime": "2h"})
    run = w.trigger("a")
    w.confirm(run)
    w.advance(HOUR)
    w.crash(alive=[run], down=30 * MINUTE)
    w.advance(DAY)
    assert list_reports(w) == [(2, "+overrun")]


def test_attempts_of_a_run_count_together(expecting):
    w = expecting({"max_runtime": "2h"}, retry_policy=RetryPolicy(attempts=3, delay="1h", max_delay="1h", jitter=0))
    run = w.trigger("a")
    w.advance(90 * MINUTE)
    w.fail(run)
    w.advance(HOUR)
    assert run in w.active_starts
    w.advance(DAY)
    assert list_reports(w) == [(3, "+overrun")]


def test_sleep_does_not_count_as_time_of_a_run(expecting):
    w = expecting({"max_runtime": "2h"})
    run = w.trigger("a")
    w.sleep(DAY)
    w.advance(HOUR)
    assert list_reports(w) == []
    w.advance(DAY)
    assert list_reports(w) == [(26, "+overrun")]
    assert run in w.active_starts


def test_text_of_a_breach_says_what_was_expected(expecting):
    w = expecting({**DAILY, "max_runtime": "2h"})
    w.trigger("a")
    w.advance(2 * DAY)
    texts = [effect.breach.text for _, effect in w.breaches]
    assert texts == [
        'it has been running since 2026-01-01T00:00:00+00:00, longer than expected (expect.max_runtime = "2h")',
        "no run has succeeded since 2026-01-01T00:00:00+00:00, and one was expected by 2026-01-02T01:00:00+00:00 "
        '(expect.every = "1d", grace "1h")',
    ]
