"""History of a job: one rule for all rows."""

from datetime import datetime, timedelta

from tests.support.why import HOUR, MINUTE, a_job, first_active_run, world

from rae_auto.views.screens.job_page import mark_of_run


def test_run_that_was_caught_up_is_late_by_one_rule_with_all_others() -> None:
    w = world(a_job(overlap="allow"))
    w.advance(HOUR + MINUTE)
    assert mark_of_run(w.run(first_active_run(w)), datetime.isoformat).lateness == timedelta(0)
    w = world(a_job())
    w.advance(30 * MINUTE)
    w.crash(down=5 * HOUR)
    w.advance(MINUTE)
    run = w.run(first_active_run(w))
    assert run.cause.code == "caught_up"
    assert mark_of_run(run, datetime.isoformat).lateness == run.started_at - run.scheduled_for >= 30 * MINUTE
