"""Why, of times to come and of schedules that have come to their end."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.support.why import answer_at, facts_of, view_job

from rae_auto import Cron, GuardRef, Job, Once
from rae_auto.engine.plan import JobOrigin
from rae_auto.explain.answer import explain_now
from rae_auto.explain.screen_reads import list_starts
from rae_auto.model.primitives.formatting import time_format
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.simulation.virtual_engine import VirtualWorld

SATURDAY_NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def planned(**fields):
    job = Job(id="a", command="work", **fields)
    plan = PluginFactory(Registry(), "UTC").plan(job, JobOrigin.STORE).plan
    return VirtualWorld(plan, start=SATURDAY_NOON)


@pytest.mark.parametrize(
    ("guard_timeout", "end"),
    [("0s", "outside mon-fri"), ("2d", "outside mon-fri; it waits and starts at 2026-11-30 00:00:00+00:00")],
)
def test_why_of_a_time_to_come_knows_the_guards(guard_timeout, end):
    guards = [GuardRef("weekday", {"days": ["mon-fri"]})]
    w = planned(schedule=Cron("0 18 * * *"), guards=guards, guard_timeout=guard_timeout)
    due = SATURDAY_NOON + timedelta(hours=6)
    but = f', but its guard "weekday" says no: it is Saturday in UTC, {end}'
    assert answer_at(w, due).answer == f"a will be due at 2026-11-28 18:00:00+00:00{but}"
    assert facts_of(explain_now(view_job(w)))["next"] == f"due at 2026-11-28 18:00:00+00:00{but}"
    assert answer_at(w, due + timedelta(days=2)).answer == "a will be due at 2026-11-30 18:00:00+00:00"


def test_why_of_a_schedule_that_is_over():
    w = planned(schedule=Once(at=SATURDAY_NOON - timedelta(hours=2)))
    assert explain_now(view_job(w)).answer == (
        "a has not run yet: its schedule has no time left and was last due at 2026-11-28 10:00:00+00:00; "
        "'rae-auto trigger a' starts it"
    )
    w = planned(schedule=Once(at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert explain_now(view_job(w)).answer == (
        "a has not run yet: its schedule has no time left; 'rae-auto trigger a' starts it"
    )


def test_why_of_a_job_that_starts_by_hand_only():
    w = planned(schedule={"type": "manual"})
    assert explain_now(view_job(w)).answer == (
        "a has not run yet: it starts by hand only; 'rae-auto trigger a' starts it"
    )


def test_start_that_is_skipped_by_hand_says_when_that_was_requested():
    w = planned(schedule=Cron("0 18 * * *"))
    w.skip("a")
    entry = w.engine.job("a")
    berlin = time_format(ZoneInfo("Europe/Berlin"), w.now.wall, local=False)
    start = next(list_starts([(entry.plan, entry.state)], w.now.wall, None, berlin))
    assert start["note"] == "it was skipped by hand, as requested at 2026-11-28 13:00:00+01:00"


def test_why_of_a_paused_job_says_how_many_starts_that_has_cost():
    w = planned(schedule=Cron("0 * * * *"))
    w.pause("a")
    assert "skipped" not in facts_of(explain_now(view_job(w)))
    w.advance(timedelta(hours=3))
    paused = explain_now(view_job(w))
    assert facts_of(paused)["skipped"] == "3 starts because of the pause, the first at 2026-11-28 13:00:00+00:00"
    assert facts_of(paused)["paused"] == "since 2026-11-28 12:00:00+00:00"
    w.pause("a", note="another note")
    assert facts_of(explain_now(view_job(w)))["paused"] == "since 2026-11-28 12:00:00+00:00"
    w.resume("a")
    w.advance(timedelta(hours=1))
    w.end(next(iter(w.active_starts)))
    w.pause("a")
    w.advance(timedelta(hours=1))
    skipped = facts_of(explain_now(view_job(w)))["skipped"]
    assert skipped == "1 start because of the pause, the first at 2026-11-28 17:00:00+00:00"
    w.advance(timedelta(minutes=1))
    w.resume("a")
    w.pause("a")
    assert "skipped" not in facts_of(explain_now(view_job(w))), "those were skipped by another pause"
    w.advance(timedelta(hours=1))
    w.crash(down=timedelta(hours=3))
    w.advance(timedelta(hours=1))
    skipped = facts_of(explain_now(view_job(w)))["skipped"]
    assert skipped.endswith("because of the pause, the first at 2026-11-28 18:00:00+00:00")
