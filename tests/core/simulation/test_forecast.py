"""Forecasts: starts, waits, skips, downtimes, and where it is crowded."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from tests.support.forecasting import MIDNIGHT, at, forecast, job

from rae_auto.engine.plan import Settings
from rae_auto.errors import BadRequest, StoreError
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.job_state import JobState, Span
from rae_auto.model.policies import CatchUp, Overlap, RetryPolicy
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import (
    CaughtUp,
    Disabled,
    MaxParallel,
    Missed,
    NeedNeverRan,
    NeedRunning,
    Overlapping,
    Replaced,
    ResourceBusy,
    StartDelayed,
)
from rae_auto.model.run import RunState
from rae_auto.model.schedule import Schedule
from rae_auto.simulation import forecast as forecasts
from rae_auto.simulation.contention import busiest, collisions
from rae_auto.simulation.forecast import Forecast, Scenario, simulate, simulate_in_steps


@frozen
class Seconds:
    """A schedule: each multiple of so many seconds."""

    seconds: int
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime:
        return datetime.fromtimestamp((int(instant.timestamp()) // self.seconds + 1) * self.seconds, UTC)


def starts(result: Forecast, name: str | None = None) -> list[str]:
    runs = [seen.run for seen in result.runs if name in (None, seen.run.job)]
    return [f"{run.started_at:%H:%M}" for run in runs if run.started_at is not None]


def skips(result: Forecast) -> list[tuple[str, str, str]]:
    return [(f"{skip.at:%H:%M}", skip.job, skip.reason.code) for skip in result.skips]


def instants(schedule: Schedule, since: datetime, minutes: int) -> Iterator[datetime]:
    instant = schedule.next_after(since - timedelta(seconds=1))
    while instant is not None and instant < since + timedelta(minutes=minutes):
        yield instant
        instant = schedule.next_after(instant)


def test_the_first_instant_is_part_of_it_and_the_end_is_not() -> None:
    assert starts(forecast(job("a", 30), minutes=60)) == ["00:00", "00:30"]


def test_unknown_durations_fit_the_timeout_and_the_schedule() -> None:
    plans = job("long", 60), job("short", 60, timeout="5s"), evolve(job("often"), schedules={"t": Seconds(4)})
    scenario = Scenario(plans=plans, settings=Settings(), start=at("00:00"), end=at("01:00"))
    result = simulate(scenario)
    assert {name: length.total_seconds() for name, length in result.assumed.items()} == {
        "long": 10,
        "short": 2.5,
        "often": 2,
    }
    assert len(result.runs) == 1 + 1 + 900
    assert not result.skips
    assert {seen.run.state for seen in result.runs} <= {RunState.SUCCEEDED, RunState.STARTING}


def test_run_active_at_the_end_keeps_its_state() -> None:
    (seen,) = forecast(job("a", 60), durations={"a": 90}).runs
    assert seen.run.state is RunState.STARTING
    assert seen.run.finished_at is None


def test_an_attempt_that_ends_when_the_next_is_due_is_not_in_its_way() -> None:
    result = forecast(job("a", 1), minutes=10)
    assert len(starts(result)) == 10
    assert not result.skips


def test_a_job_that_overlaps_itself_skips_with_its_reason() -> None:
    result = forecast(job("a", 10), durations={"a": 15}, minutes=40)
    assert starts(result) == ["00:00", "00:20"]
    assert skips(result) == [("00:10", "a", Overlapping.code), ("00:30", "a", Overlapping.code)]


def test_a_job_that_queues_behind_itself_waits() -> None:
    result = forecast(job("a", 10, overlap=Overlap.QUEUE), durations={"a": 15}, minutes=20)
    assert starts(result) == ["00:00", "00:15"]
    wait = result.runs[1].wait
    assert wait is not None
    assert isinstance(wait, Overlapping)


def test_a_job_that_replaces_itself_ends_the_older_run_at_once() -> None:
    result = forecast(job("a", 10, overlap=Overlap.REPLACE), durations={"a": 15}, minutes=20)
    first, second = (seen.run for seen in result.runs)
    assert (first.state, first.reason, first.finished_at) == (RunState.CANCELLED, Replaced(), at("00:10"))
    assert second.started_at == at("00:10")


def test_what_finds_no_free_place_waits_for_one() -> None:
    result = forecast(job("a", 60), job("b", 60), job("c", 60), max_parallel=1, durations={"a": 5, "b": 5})
    assert {name: starts(result, name) for name in "abc"} == {"a": ["00:00"], "b": ["00:05"], "c": ["00:10"]}
    assert [seen.wait and seen.wait.code for seen in result.runs] == [None, MaxParallel.code, MaxParallel.code]


def test_what_uses_the_same_resource_waits_for_it() -> None:
    result = forecast(job("a", 60, resources=["db"]), job("b", 60, resources=["db"]), resources={"db": 1})
    assert starts(result) == ["00:00", "00:01"]
    assert result.runs[1].wait is not None
    assert isinstance(result.runs[1].wait, ResourceBusy)


def test_what_needs_another_waits_until_that_has_succeeded() -> None:
    result = forecast(job("after", 60, needs=["first"]), job("first", 60), durations={"first": 7})
    assert starts(result, "after") == ["00:07"]
    assert [seen.wait.code for seen in result.runs if seen.wait] == [NeedRunning.code]


def test_what_needs_one_that_times_out_is_skipped() -> None:
    result = forecast(job("after", 60, needs=["first"]), job("first", 60, timeout="5m"), durations={"first": 7})
    assert {seen.run.job: seen.run.state for seen in result.runs} == {"first": "timed_out", "after": "skipped"}


def test_what_needs_one_that_never_runs_is_skipped() -> None:
    result = forecast(job("after", 60, needs=["first"]), job("first"))
    assert skips(result) == [("00:00", "after", NeedNeverRan.code)]


def test_an_attempt_that_is_tried_again_takes_its_time_again() -> None:
    policy = RetryPolicy(attempts=2, delay="4m", jitter=0.0)
    (seen,) = forecast(job("a", 60, timeout="5m", retry_policy=policy), durations={"a": 6}).runs
    spans = [(attempt.started_at, attempt.finished_at, attempt.state) for attempt in seen.run.attempts]
    assert spans == [(at("00:00"), at("00:05"), "timed_out"), (at("00:09"), at("00:14"), "timed_out")]


def test_jitter_is_a_wait_and_so_is_what_comes_after_it() -> None:
    spread = timedelta(minutes=10)
    result = forecast(job("a", 60, spread), job("b", 60, spread), max_parallel=1, durations={"a": 30, "b": 30})
    first, second = sorted(result.runs, key=lambda seen: seen.run.started_at or MIDNIGHT)
    assert first.run.started_at is not None
    assert MIDNIGHT < first.run.started_at < at("00:10")
    assert second.run.started_at == first.run.started_at + timedelta(minutes=30)
    assert [seen.wait and seen.wait.code for seen in (first, second)] == [StartDelayed.code, MaxParallel.code]


def test_disabled_jobs_start_nothing() -> None:
    assert skips(forecast(job("a", 60, enabled=False))) == [("00:00", "a", Disabled.code)]
    assert skips(forecast(job("a", 60), enabled=False)) == [("00:00", "a", Disabled.code)]


DOWN = [("00:15", "00:47")]


@pytest.mark.parametrize(
    ("policy", "made_up_for", "given_up"),
    [
        (CatchUp.NONE, [], ["00:40"]),
        (CatchUp.LATEST, ["00:40"], ["00:30"]),
        (CatchUp.ALL, ["00:20", "00:30", "00:40"], []),
    ],
)
def test_after_a_downtime_each_job_catches_up_as_it_says(
    policy: CatchUp, made_up_for: list[str], given_up: list[str]
) -> None:
    result = forecast(job("a", 10, catch_up=policy), down=DOWN)
    caught_up = [seen.run for seen in result.runs if isinstance(seen.run.cause, CaughtUp)]
    assert [f"{run.scheduled_for:%H:%M}" for run in caught_up] == made_up_for
    assert all(run.started_at is not None and run.started_at >= at("00:47") for run in caught_up)
    assert skips(result) == [(until, "a", Missed.code) for until in given_up]
    assert starts(result)[-1] == "00:50"


def test_what_is_in_hand_when_a_downtime_begins_is_lost() -> None:
    result = forecast(job("a", 60), durations={"a": 30}, down=DOWN)
    assert [(seen.run.state, seen.run.finished_at) for seen in result.runs] == [(RunState.LOST, at("00:47"))]


def test_what_is_run_again_after_a_crash_takes_its_time_again() -> None:
    result = forecast(job("a", 60, on_crash="rerun"), durations={"a": 5}, down=[("00:03", "00:20")])
    (seen,) = result.runs
    assert (seen.run.state, seen.run.attempt) == (RunState.SUCCEEDED, 2)
    assert seen.run.attempts[0].started_at == at("00:00")
    assert seen.run.finished_at is not None
    assert seen.run.finished_at - seen.run.attempts[1].started_at == timedelta(minutes=5)


def test_several_downtimes_are_played_one_after_the_other() -> None:
    result = forecast(job("a", 10, catch_up="none"), down=[("00:05", "00:15"), ("00:25", "00:35")])
    assert starts(result) == ["00:00", "00:20", "00:40", "00:50"]


def test_more_than_can_be_waited_for_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasts, "MAX_DECISIONS", 10)
    with pytest.raises(BadRequest, match=r"^more than 10 occurrences until 2026-03-02T00:10:00\+00:00; simulate fewer"):
        forecast(job("a", 1))


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(0, 40), st.sampled_from(Overlap), st.integers(0, 300)),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 4),
)
def test_every_occurrence_has_one_decision_and_no_limit_is_exceeded(
    jobs: list[tuple[int, int, Overlap, int]], max_parallel: int
) -> None:
    plans = [
        job(f"j{n}", every, timedelta(seconds=jitter), overlap=overlap)
        for n, (every, _, overlap, jitter) in enumerate(jobs)
    ]
    durations = {f"j{n}": length for n, (_, length, _, _) in enumerate(jobs)}
    result = forecast(*plans, max_parallel=max_parallel, durations=durations, minutes=90)
    decided = [(skip.job, skip.at) for skip in result.skips] + [(s.run.job, s.run.scheduled_for) for s in result.runs]
    due = {(plan.job.id, instant) for plan in plans for instant in instants(plan.schedules["t"], MIDNIGHT, minutes=90)}
    assert set(decided) == due
    assert len(decided) == len(set(decided))
    assert all(len(peak.jobs) <= max_parallel for peak in busiest(result))
    for seen in result.runs:
        started = seen.run.started_at
        assert started is None or started >= seen.run.scheduled_for
        assert (seen.wait is not None) == (started != seen.run.queued_at)


def test_the_busiest_moments_are_those_when_most_run_together() -> None:
    result = forecast(job("a", 10), job("b", 20), job("c", 30), durations={"a": 2, "b": 2, "c": 2})
    assert [(f"{peak.at:%H:%M}", peak.jobs) for peak in busiest(result)] == [
        ("00:00", ("a", "b", "c")),
        ("00:20", ("a", "b")),
        ("00:30", ("a", "c")),
        ("00:40", ("a", "b")),
    ]
    assert len(busiest(result, 2)) == 2


def test_what_still_runs_at_the_end_counts_as_busy() -> None:
    result = forecast(job("a", 60), job("b", 20), durations={"a": 90, "b": 90}, minutes=30)
    assert [peak.jobs for peak in busiest(result)] == [("a", "b")]


def test_single_job_is_never_busy() -> None:
    assert busiest(forecast(job("a", 10))) == ()


def test_runs_that_collide_are_counted_by_job_and_reason() -> None:
    result = forecast(
        job("a", 10),
        job("b", 30, overlap=Overlap.REPLACE),
        job("c", 60),
        max_parallel=2,
        durations={"a": 15, "b": 40, "c": 1},
    )
    found = {(str(one.job), one.reason): (one.times, f"{one.first_at:%H:%M}") for one in collisions(result)}
    assert found["a", Overlapping.code] == (3, "00:10")
    assert found["b", Replaced.code] == (1, "00:30")
    assert found["c", MaxParallel.code] == (1, "00:00")
    assert [one.times for one in collisions(result)] == sorted((one.times for one in collisions(result)), reverse=True)
    max_waits = {str(one.job): one.max_wait for one in collisions(result)}
    assert max_waits["c"] == timedelta(minutes=15)


def test_jobs_at_different_times_do_not_collide() -> None:
    assert collisions(forecast(job("a", 10), down=DOWN)) == ()


def test_forecast_shows_overdue_jobs_and_runs_that_take_too_long() -> None:
    gap = job("a", 60, expect=ExpectPolicy(every="30m", grace="5m"))
    result = forecast(gap, job("b", 60, expect=ExpectPolicy(max_runtime="10m")), durations={"b": 15}, minutes=70)
    found = [(f"{one.at:%H:%M}", one.job, one.breach.code, one.is_over) for one in result.breaches]
    assert found == [
        ("00:10", "b", "overrun", False),
        ("00:15", "b", "overrun", True),
        ("00:36", "a", "overdue", False),
        ("01:01", "a", "overdue", True),
    ]
    assert {one.job for one in result.select(["a"]).breaches} == {"a"}


def test_forecast_keeps_a_pause_over_a_downtime() -> None:
    paused = JobState(JobId("a"), paused=True, paused_until=at("00:40"))
    plan = job("a", every=10)
    scenario = Scenario(
        plans=(plan,),
        settings=Settings(),
        start=MIDNIGHT,
        end=at("01:00"),
        downtimes=(Span(at("00:11"), at("00:15")),),
        states=(paused,),
    )
    found = simulate(scenario)
    assert [one.run.scheduled_for for one in found.runs] == [at("00:40"), at("00:50")]
    assert {skip.reason.code for skip in found.skips} == {"paused"}


@pytest.mark.parametrize("step", [1, 7, 500], ids=lambda minutes: f"{minutes} min")
def test_steps_have_the_same_starts_and_skips_as_the_whole(step: int) -> None:
    plans = (
        job("a", 10, overlap=Overlap.QUEUE),
        job("b", 4),
        job("c", 15, retry_policy=RetryPolicy(attempts=2), timeout=timedelta(minutes=2)),
    )
    whole = forecast(*plans, minutes=120, durations={"a": 15, "b": 9, "c": 5}, max_parallel=2)
    nothing, steps = simulate_in_steps(whole.scenario, timedelta(minutes=step))
    found = list(steps)
    assert (nothing.runs, nothing.assumed) == ((), whole.assumed)
    assert [one.until for one in found][-1] == whole.scenario.end
    assert all(one.until <= other.until - timedelta(minutes=1) for one, other in pairwise(found))
    starts = [(at, run.job, run.id) for one in found for at, run in one.starts]
    # The start of a whole one is that of its last attempt.
    firsts = {(run.job, run.id): run for run in (seen.run for seen in whole.runs) if run.started_at is not None}
    assert {(name, run) for _, name, run in starts} == set(firsts)
    assert {(at, name) for at, name, run in starts if firsts[name, run].attempt == 1} == {
        (run.started_at, run.job) for run in firsts.values() if run.attempt == 1
    }
    assert [skip for one in found for skip in one.skips] == list(whole.skips)
    assert len(starts) == len(set(starts)) > 10
    assert whole.skips


def test_only_a_play_with_downtimes_keeps_what_is_committed():
    played = forecasts._Play(Scenario(plans=(), settings=Settings(), start=MIDNIGHT, end=MIDNIGHT))
    with pytest.raises(StoreError, match="keeps nothing"):
        played.crash(Span(MIDNIGHT, MIDNIGHT + timedelta(hours=1)))
