"""Why, of times that a clock that was set skips or brings twice, and as people write them."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rae_auto import Cron, Job
from rae_auto.engine.plan import JobOrigin
from rae_auto.explain.answer import explain_at
from rae_auto.explain.collector import collect
from rae_auto.explain.engine_source import EngineSource
from rae_auto.model.primitives.local_times import parse_local_time
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.simulation.virtual_engine import VirtualWorld

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def facts_of(explanation):
    return {fact.subject: fact.text for fact in explanation.facts}


BERLIN = "Europe/Berlin"


def cron(expression, start, zone=BERLIN):
    job = Job(id="a", command="work", schedule=Cron(expression, timezone=zone))
    planned = PluginFactory(Registry(), "UTC").plan(job, JobOrigin.STORE).plan
    return VirtualWorld(planned, start=datetime.fromisoformat(start))


def on_the_wall(w, text, zone=BERLIN):
    return explain_at(
        parse_local_time(text, ZoneInfo(zone), w.now.wall),
        collect(EngineSource(w.engine, w.now, ZoneInfo(zone)), "a", w.history[::-1], []),
    )


def play(w, by):
    end = w.now.mono + by.total_seconds()
    while w.now.mono < end:
        w.advance(5 * MINUTE)
        for run in list(w.active_starts):
            w.end(run)


@pytest.mark.parametrize("asked_for", ["2026-03-29T02:30", "2026-03-29 03:00", "2026-03-29T02:30+01:00"])
def test_why_a_local_time_that_does_not_exist(asked_for):
    w = cron("30 2 * * *", "2026-03-29T00:00:00+00:00")
    play(w, 3 * HOUR)
    explanation = on_the_wall(w, asked_for)
    everything = "\n".join([explanation.answer, *map(str, explanation.facts)])
    assert "02:30 does not exist on 2026-03-29 in Europe/Berlin; due at 03:00" in everything
    if "+" not in asked_for:
        assert "it ran because it was due; 02:30 does not exist" in explanation.answer
    if asked_for.endswith("T02:30"):
        assert facts_of(explanation)["time"].startswith(
            "02:30 does not exist on 2026-03-29 in Europe/Berlin: the clock goes"
        )


@pytest.mark.parametrize("asked_for", ["2026-10-25T02:30", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"])
def test_why_a_local_time_that_occurs_twice(asked_for):
    w = cron("30 2 * * *", "2026-10-24T22:00:00+00:00")
    play(w, 6 * HOUR)
    explanation = on_the_wall(w, asked_for)
    everything = "\n".join([explanation.answer, *map(str, explanation.facts)])
    assert "02:30 comes twice on 2026-10-25 in Europe/Berlin; due the first time" in everything
    assert ("did not run" in explanation.answer) == asked_for.endswith("+01:00")


def test_why_a_wildcard_minute_at_clock_changes():
    w = cron("*/30 * * * *", "2026-10-24T22:00:00+00:00")
    play(w, 6 * HOUR)
    assert "due both times, this is the first" in on_the_wall(w, "2026-10-25T02:30+02:00").answer
    assert "due both times, this is the second" in on_the_wall(w, "2026-10-25T02:30+01:00").answer
    w = cron("*/30 * * * *", "2026-03-29T00:00:00+00:00")
    play(w, 3 * HOUR)
    explanation = on_the_wall(w, "2026-03-29T02:30")
    assert "does not exist" not in explanation.answer
    assert "does not exist" in facts_of(explanation)["time"]


def test_facts_show_the_time_in_the_triggers_zone():
    w = cron("0 9 * * *", "2026-06-01T00:00:00+00:00", "America/New_York")
    play(w, 20 * HOUR)
    explanation = on_the_wall(w, "2026-06-01T15:00")
    assert facts_of(explanation)["clock"] == (
        "15:00 in Europe/Berlin is 09:00 on 2026-06-01 in America/New_York, the trigger's zone"
    )


def test_why_a_start_that_was_moved_to_a_working_day():
    job = Job(
        id="a",
        command="work",
        schedule=Cron("0 9 15 * *", timezone=BERLIN),
        guards=[{"type": "weekday", "days": ["mon", "tue", "wed", "thu", "fri"]}],
        shift="previous",
    )
    planned = PluginFactory(Registry(), BERLIN).plan(job, JobOrigin.STORE).plan
    w = VirtualWorld(planned, start=datetime.fromisoformat("2026-08-14T05:00:00+00:00"))
    play(w, 3 * HOUR)
    answer = on_the_wall(w, "2026-08-14 09:00").answer
    assert "it ran because it was due; moved from Sat 2026-08-15, when it is Saturday in Europe/Berlin" in answer
