"""The next starts of a job: what `next` says is what the engine does."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rae_auto import Cron, GuardRef, Interval, Job
from rae_auto.engine.plan import JobOrigin, Settings
from rae_auto.explain.next_start import find_start
from rae_auto.offline.next_runs import Schedules
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.simulation.forecast import Scenario, simulate

UTC_ZONE = ZoneInfo("UTC")
START = datetime(2026, 10, 23, 4, 13, tzinfo=UTC)
SPAN = timedelta(days=4)
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
clocks = st.times().map(lambda clock: f"{clock:%H:%M}")


def schedules_of(zone="UTC", shown=UTC_ZONE, **fields):
    plugins = PluginFactory(Registry(), zone)
    job = Job(id="a", command="work", **fields)
    return Schedules(plugins.plan(job, JobOrigin.STORE).plan, shown, plugins)


def starts_until(schedules, end):
    starts = []
    for found in schedules.next_starts(START - timedelta(microseconds=1)):
        if found.due_at >= end:
            return sorted(start for start in starts if start < end)
        if found.starts_at is not None:
            starts.append(found.starts_at)
    return sorted(start for start in starts if start < end)


@st.composite
def schedules(draw):
    minute = draw(st.sampled_from(["0", "30", "*/20", "7,52"]))
    hour = draw(st.sampled_from(["*", "2", "*/3", "1-4", "9-17"]))
    every = st.builds(lambda minutes: Interval(every=timedelta(minutes=minutes)), st.integers(7, 900))
    return draw(st.just(Cron(f"{minute} {hour} * * *")) | every)


@st.composite
def guards(draw):
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=6, unique=True))
    since, until = draw(st.lists(clocks, min_size=2, max_size=2, unique=True))
    weekday = GuardRef("weekday", {"days": days}, id="w")
    hours = GuardRef("time", {"from": since, "to": until}, id="t")
    return draw(st.sampled_from([[], [weekday], [hours], [weekday, hours]]))


@settings(max_examples=40, deadline=None)
@given(schedules(), guards(), st.sampled_from(ZONES), st.integers(0, 30))
# A run waits for its guard until the end of its time, and the guard opens at that instant, which is also an occurrence.
@example(Cron("0 * * * *"), [GuardRef("weekday", {"days": ["mon"]}, id="w")], "UTC", 1)
def test_next_says_what_the_engine_starts(schedule, guards, zone, hours):
    """For random schedules, guards that can be computed, zones whose clocks change, and times to wait for guards."""
    found = schedules_of(
        zone, schedule=schedule, guards=guards, guard_timeout=timedelta(hours=hours), overlap="allow", overlap_max=1000
    )
    forecast = simulate(
        Scenario(
            plans=(found.plan,),
            settings=Settings(max_parallel=1000, max_queue=1000),
            start=START,
            end=START + SPAN,
            durations={"a": timedelta(0)},
        )
    )
    started = [seen.run.started_at for seen in forecast.runs if seen.run.started_at is not None]
    # An alarm of the engine may lie a microsecond after the instant.
    assert starts_until(found, START + SPAN) == sorted(start.replace(microsecond=0) for start in started)


@pytest.mark.parametrize(
    ("guard_timeout", "starts_at"), [("0s", None), ("59m", None), ("1h", "10:00"), ("2h", "10:00")]
)
def test_start_waits_for_guards_as_long_as_the_job_may(guard_timeout, starts_at):
    guards = [GuardRef("time", {"from": "10:00", "to": "12:00"})]
    plan = schedules_of(schedule=Cron("0 9 * * *"), guards=guards, guard_timeout=guard_timeout).plan
    found = find_start(plan.guards, plan.job.guard_timeout, datetime(2026, 10, 24, 9, tzinfo=UTC))
    assert (found.starts_at and f"{found.starts_at:%H:%M}") == starts_at
    assert 'its guard "time" says no' in found.blocker.text


def test_next_names_a_difference_of_zones_once_until_another_comes():
    plan = schedules_of(shown=UTC_ZONE, schedule=Cron("0 18 * * *", timezone="Europe/Berlin"))
    notes = [start.note for start in islice(plan.next_starts(START), 4)]
    assert notes == [
        "16:00 in UTC is 18:00 on 2026-10-23 in Europe/Berlin, the trigger's zone",
        None,
        "17:00 in UTC is 18:00 on 2026-10-25 in Europe/Berlin, the trigger's zone",
        None,
    ]


def test_next_names_the_time_in_the_zone_of_the_trigger():
    elsewhere = Cron("0 18 * * *", timezone="Asia/Kolkata")
    starts = schedules_of(shown=UTC_ZONE, schedule=[elsewhere, Cron("0 7 * * *", timezone="UTC")]).next_starts(START)
    assert [next(starts).note for _ in range(2)] == [
        None,
        "12:30 in UTC is 18:00 on 2026-10-23 in Asia/Kolkata, the trigger's zone",
    ]
