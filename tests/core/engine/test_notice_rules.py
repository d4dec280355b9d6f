"""Rules for notices: which events of a job lead to one, whatever happens in between."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.engine.notices.reports import describe_end
from rae_auto.engine.notices.rules import choose_kinds, count_end, count_skips
from rae_auto.model.decision import MANUAL
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.notices.outbox import NoticeCounts
from rae_auto.model.policies import NotifyOn, NotifyPolicy
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import AttemptError, Cancelled, Manual
from rae_auto.model.run import Result, Run, RunState
from rae_auto.simulation.virtual_engine import EPOCH

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ENDS = [RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT, RunState.LOST, RunState.CANCELLED]


def on(*kinds, **rules):
    return NotifyPolicy(on=kinds, via=("ops",), **rules)


def kinds(w):
    return [notice.kind.value for notice in w.notices]


def play(w, results, job="a"):
    """Run a job once for each letter: succeeded, failed, lost or cancelled."""
    for result in results:
        run = w.trigger(job)
        w.confirm(run)
        match result:
            case "s":
                w.end(run)
            case "f":
                w.fail(run)
            case "l":
                w.crash()
            case "c":
                w.cancel(run=run)
                w.fail(run)


@pytest.mark.parametrize(
    ("rules", "results", "expected"),
    [
        (on("failure"), "sffs", ["failure", "failure"]),
        (on("failure", "recovery"), "ffss", ["failure", "failure", "recovery"]),
        (on("recovery"), "sffs", ["recovery"]),
        (on("success", "recovery"), "sfs", ["success", "success", "recovery"]),
        (on("failure", after=3), "ffsffff", ["failure", "failure"]),
        (on("failure", "recovery", after=3), "ffsfffs", ["failure", "recovery"]),
        (on("failure", every=3), "fffffff", ["failure", "failure", "failure"]),
        (on("failure", after=2, every=3), "ffffffff", ["failure", "failure", "failure"]),
        (on("failure", every=5), "cffc", ["failure"]),
        (on("failure", "recovery"), "cs", []),
        (on("failure", "recovery"), "fcs", ["failure", "recovery"]),
        (on("start", "success", "failure"), "sf", ["start", "success", "start", "failure"]),
    ],
)
def test_ends_are_reported_by_the_rules_of_the_job(world, job, rules, results, expected):
    w = world(job("a", notify=rules, on_crash="fail"))
    play(w, results)
    assert kinds(w) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [(on("failure"), ["failure"]), (on("lost"), ["lost"]), (on("lost", "failure", after=5), ["lost"]), (on(), [])],
)
def test_lost_run_is_reported_once(world, job, rules, expected):
    w = world(job("a", notify=rules, on_crash="fail"))
    play(w, "l")
    assert kinds(w) == expected
    assert [notice.state for notice in w.notices] == [RunState.LOST] * len(expected)


def test_counts_of_failures_survive_a_restart(world, job):
    w = world(job("a", notify=on("failure", "recovery", after=3)))
    play(w, "ff")
    w.crash()
    play(w, "f")
    w.crash()
    play(w, "s")
    assert kinds(w) == ["failure", "recovery"]
    assert w.notices[0].failures == 3


def test_overdue_job_is_reported_once_and_its_recovery_too(world, job):
    rules = on("late", "recovery")
    w = world(job("a", notify=rules, expect=ExpectPolicy(every="1d", grace="1h")))
    w.advance(2 * DAY)
    w.crash()
    w.advance(DAY)
    play(w, "s")
    play(w, "s")
    assert kinds(w) == ["late", "recovery"]
    late = w.notices[0]
    assert late.text.startswith("a is overdue: no run has succeeded since 2026-01-01 00:00:00+00:00")
    assert (late.run, late.at) == ("", EPOCH + DAY + HOUR)


def test_run_that_takes_too_long_is_reported_once(world, job):
    w = world(job("a", notify=on("overrun", "recovery"), expect=ExpectPolicy(max_runtime="1h")))
    run = w.trigger("a")
    w.confirm(run)
    w.advance(3 * HOUR)
    w.crash(alive=[run])
    w.advance(HOUR)
    assert kinds(w) == ["overrun"]
    w.end(run)
    assert kinds(w) == ["overrun", "recovery"]
    assert {notice.run for notice in w.notices} == {run}


def test_skipped_starts_in_a_row_are_reported(world, job):
    w = world(job("a", every=1, notify=on("skipped", skips=3)))
    w.advance(3 * MINUTE)
    (run,) = w.active_starts
    w.advance(MINUTE)
    assert kinds(w) == ["skipped"]
    assert w.notices[0].text.startswith("3 starts of a in a row skipped, the last one because")
    w.crash(alive=[run])
    w.advance(3 * MINUTE)
    assert kinds(w) == ["skipped"] * 2
    w.end(run)
    w.advance(3 * MINUTE)
    assert kinds(w) == ["skipped"] * 2


def test_skips_that_people_want_are_not_reported(world, job):
    w = world(job("a", every=1, notify=on("skipped", skips=1)))
    w.pause("a")
    w.advance(10 * MINUTE)
    w.resume("a")
    w.skip("a")
    w.advance(MINUTE)
    assert kinds(w) == []


def test_downtime_is_reported_for_all_jobs_together(world, job):
    rules = on("downtime")
    w = world(job("a", every=30, notify=rules), job("b", every=60, notify=rules), job("c", every=60))
    w.crash(down=timedelta(hours=2, minutes=10))
    assert kinds(w) == []
    w.advance(MINUTE)
    assert kinds(w) == ["downtime", "downtime"]
    assert len({notice.batch for notice in w.notices}) == 1
    assert w.notices[0].text == (
        "4 starts of a missed because the daemon was down (2026-01-01 00:30:00+00:00 to 2026-01-01 02:00:00+00:00); "
        "catch_up runs 1 late now"
    )


def test_short_restart_is_no_downtime(world, job):
    w = world(job("a", every=30, notify=on("downtime")))
    w.crash(down=MINUTE)
    w.advance(HOUR)
    assert kinds(w) == []


def test_job_without_via_notifies_all_notifiers(world, job):
    w = world(job("a", notify=NotifyPolicy(on=("failure",))), notifiers=("ops", "me"))
    play(w, "f")
    assert [notice.notifier for notice in w.notices] == ["ops", "me"]
    assert len({notice.id for notice in w.notices}) == 1


def test_nothing_is_kept_for_jobs_without_notifiers(world, job):
    w = world(job("a", notify=NotifyPolicy(on=("failure",))))
    play(w, "f")
    assert w.engine.notices() == []


# The state machine itself


@given(st.lists(st.sampled_from(ENDS)), st.integers(1, 4), st.integers(1, 4))
def test_failures_are_reported_by_their_number_in_the_row(ends, after, every):
    policy, counts, row = NotifyPolicy(on=tuple(NotifyOn), after=after, every=every), NoticeCounts(), 0
    for state in ends:
        kinds = choose_kinds(policy, counts, state, ends_breach=False)
        counts = count_end(counts, state)
        was_reported = row >= after
        if state is RunState.SUCCEEDED:
            assert kinds == (NotifyOn.SUCCESS, *([NotifyOn.RECOVERY] if was_reported else []))
            row = 0
        elif state is RunState.CANCELLED:
            assert kinds == ()
        else:
            row += 1
            if state is RunState.LOST:
                assert kinds == (NotifyOn.LOST,)
            else:
                assert bool(kinds) == (row >= after and (row - after) % every == 0)
        assert counts.failures == row


@given(st.lists(st.integers(1, 10)), st.integers(1, 5))
def test_skips_are_reported_once_for_each_full_number(batches, limit):
    counts, policy, reported = NoticeCounts(), NotifyPolicy(skips=limit), 0
    for starts in batches:
        counts, is_reported = count_skips(policy, counts, starts)
        reported += is_reported
    assert reported <= sum(batches) // limit
    assert (reported > 0) == (sum(batches) >= limit)
    assert count_end(counts, RunState.FAILED).skips == 0


def test_rules_of_a_reload_count_for_the_next_end(world, job):
    w = world(job("a", notify=on("failure", after=3)))
    play(w, "f")
    w.add(job("a", notify=on("failure", after=2)), replace=True)
    play(w, "f")
    assert kinds(w) == ["failure"]


def test_result_of_a_run_is_in_its_notice(world, job):
    w = world(job("a", notify=on("failure")))
    w.end(w.trigger("a"), Result(exit_code=3))
    (notice,) = w.notices
    assert (notice.text, notice.exit_code, notice.attempt, notice.failures) == ("a failed: exit code 3", 3, 1, 1)
    assert notice.cause == "it was triggered by hand"


def ended(state=RunState.FAILED, **fields):
    """A run that is over."""
    known = {"exit_code": 0 if state is RunState.SUCCEEDED else 3, **fields}
    names = {"id": RunId("run-1"), "job": JobId("backup"), "trigger": MANUAL, "key": "k", "cause": Manual()}
    return Run(**names, scheduled_for=EPOCH, queued_at=EPOCH, finished_at=EPOCH, state=state, **known)


@pytest.mark.parametrize(
    ("kind", "run", "text"),
    [
        (NotifyOn.FAILURE, ended(), "backup failed: exit code 3"),
        (NotifyOn.FAILURE, ended(reason=AttemptError("no such program")), "backup failed: no such program"),
        (NotifyOn.LOST, ended(RunState.LOST, exit_code=None), "backup lost"),
        (NotifyOn.FAILURE, ended(RunState.TIMED_OUT, exit_code=None), "backup timed out"),
        (NotifyOn.SUCCESS, ended(RunState.SUCCEEDED), "backup succeeded"),
        (NotifyOn.SUCCESS, ended(RunState.SUCCEEDED, reason=Cancelled()), "backup succeeded"),
        (NotifyOn.RECOVERY, ended(RunState.SUCCEEDED), "backup succeeded again"),
    ],
)
def test_text_of_an_end_is_one_line_for_a_person(kind, run, text):
    assert describe_end(kind, run) == text


def test_notices_of_one_moment_have_ids_of_their_own(world, job):
    w = world(job("a", notify=on("skipped", skips=1)))
    w.trigger("a")
    for key in ("one", "two"):
        w.fire("a", "source", key)
    assert kinds(w) == ["skipped", "skipped"]
    assert len({notice.id for notice in w.notices}) == 2
