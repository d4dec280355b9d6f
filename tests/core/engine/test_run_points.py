"""Schedules that count from the start or the end of the last run of their job."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.engine.plan import Plan
from rae_auto.explain.upcoming import iterate_starts
from rae_auto.model.job import Job
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.reasons import CaughtUp, MissedCause, Overlapping
from rae_auto.model.run import Result
from rae_auto.model.schedule import RunPoint
from rae_auto.simulation.virtual_engine import EPOCH, VirtualWorld
from rae_plugins.triggers.interval import IntervalTrigger

MINUTE = timedelta(minutes=1)
EVERY = 10 * MINUTE


def counted_plan(point: str, every: str = "10m", **fields: object) -> Plan:
    schedules = {"t": IntervalTrigger(every=every, from_=point, timezone="Europe/Berlin")}
    return Plan(Job(id="poll", command="work", **fields), schedules, run_points={"t": RunPoint(point)})


def open_world(point: str, **fields: object) -> VirtualWorld:
    return VirtualWorld(counted_plan(point, **fields))


def next_at(w: VirtualWorld) -> timedelta | None:
    """The next start, as the time since the begin of the world."""
    at = w.engine.next_at(Job(id="poll", command="x").id)
    return None if at is None else at - EPOCH


def end_run(w: VirtualWorld) -> None:
    w.end(next(iter(w.active_starts)))


def starts(w: VirtualWorld) -> list[timedelta]:
    return [start.run.started_at - EPOCH for start in w.started]


@pytest.mark.parametrize("point", ["start", "end"])
def test_first_start_comes_one_interval_after_loading(point: str) -> None:
    w = open_world(point)
    assert next_at(w) == EVERY
    w.crash(down=4 * MINUTE)
    assert next_at(w) == EVERY
    w.advance(6 * MINUTE)
    assert starts(w) == [EVERY]


def test_next_start_counts_from_the_end_once_that_has_come() -> None:
    w = open_world("end")
    w.advance(EVERY)
    assert next_at(w) is None
    w.advance(37 * MINUTE)
    end_run(w)
    assert next_at(w) == (10 + 37 + 10) * MINUTE
    w.advance(EVERY)
    assert starts(w) == [10 * MINUTE, 57 * MINUTE]


def test_next_start_counts_from_the_start_while_the_run_goes_on() -> None:
    w = open_world("start")
    w.advance(EVERY)
    assert next_at(w) == 20 * MINUTE
    w.advance(15 * MINUTE)
    (skipped,) = [decision for decision in w.decisions if decision.run is None]
    assert isinstance(skipped.reason, Overlapping)
    end_run(w)
    assert next_at(w) == 30 * MINUTE


@pytest.mark.parametrize(("point", "expected"), [("start", 13), ("end", 15)])
def test_run_by_hand_counts_too(point: str, expected: int) -> None:
    w = open_world(point)
    w.advance(3 * MINUTE)
    w.trigger("poll")
    w.advance(2 * MINUTE)
    end_run(w)
    assert next_at(w) == expected * MINUTE


@pytest.mark.parametrize("point", ["start", "end"])
def test_instants_in_a_pause_move_nothing_and_break_no_chain(point: str) -> None:
    w = open_world(point)
    w.pause("poll")
    w.advance(34 * MINUTE)
    w.resume("poll")
    assert next_at(w) == 40 * MINUTE
    w.advance(6 * MINUTE)
    assert starts(w) == [40 * MINUTE]


def test_end_of_a_run_that_is_retried_comes_after_the_last_attempt() -> None:
    w = open_world("end", retry_policy=RetryPolicy(attempts=2, delay=5 * MINUTE, jitter=0.0))
    w.advance(EVERY)
    w.fail(next(iter(w.active_starts)))
    w.advance(3 * MINUTE)
    assert next_at(w) is None
    w.advance(2 * MINUTE)
    end_run(w)
    assert next_at(w) == 25 * MINUTE


def test_run_that_goes_on_over_a_restart_keeps_the_end_unknown() -> None:
    w = open_world("end")
    w.advance(EVERY)
    (run,) = w.active_starts
    w.crash(alive=[run], down=5 * MINUTE)
    assert next_at(w) is None
    w.advance(MINUTE)
    w.end(run)
    assert next_at(w) == 26 * MINUTE


def test_end_in_the_absence_of_the_daemon_is_counted_from_and_caught_up() -> None:
    w = open_world("end")
    w.advance(EVERY)
    (run,) = w.active_starts
    w.crash(ended={run: Result(exit_code=0, ended_at=EPOCH + 12 * MINUTE)}, down=3 * timedelta(hours=1))
    (caught_up,) = [opened.run for opened in w.engine.runs()]
    assert caught_up.cause == CaughtUp(MissedCause.DOWN)
    assert (caught_up.scheduled_for - EPOCH - 12 * MINUTE) % EVERY == timedelta(0)


def test_lost_run_lets_the_chain_go_on() -> None:
    w = open_world("end")
    w.advance(EVERY)
    w.crash(down=MINUTE)
    assert next_at(w) == 21 * MINUTE


def test_runs_side_by_side_count_by_the_last_one() -> None:
    w = open_world("end", overlap="allow")
    first, second = w.trigger("poll"), w.trigger("poll")
    w.advance(MINUTE)
    w.end(second)
    assert next_at(w) is None
    w.advance(MINUTE)
    w.end(first)
    assert next_at(w) == 12 * MINUTE


@pytest.mark.parametrize("point", ["start", "end"])
@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_clock_that_was_set_delays_no_start_by_more_than_the_interval(point: str, hours: int) -> None:
    w = open_world(point)
    w.trigger("poll")
    end_run(w)
    before = len(w.started)
    w.set_clock(timedelta(hours=hours))
    w.advance(EVERY)
    assert len(w.started) == before + 1


def test_skipped_start_leaves_the_one_after_it() -> None:
    world = open_world("end")
    world.skip("poll")
    assert next_at(world) == 2 * EVERY
    world.advance(3 * EVERY)
    assert starts(world) == [2 * EVERY]


def test_days_are_those_of_the_calendar() -> None:
    begin = datetime.fromisoformat("2026-03-28T18:00:00+01:00")
    counted = counted_plan("end", every="1d").schedules["t"].count_from(begin)
    assert counted.next_after(begin) == datetime.fromisoformat("2026-03-29T18:00:00+02:00")
    assert counted.next_after(begin - timedelta(days=99)) == datetime.fromisoformat("2026-03-29T18:00:00+02:00")


def test_changed_interval_starts_to_count_again() -> None:
    w = open_world("end")
    w.advance(3 * MINUTE)
    w.add(counted_plan("end", priority="high"), replace=True)
    assert next_at(w) == EVERY
    w.add(counted_plan("end", every="20m"), replace=True)
    assert next_at(w) == 23 * MINUTE
    run = w.trigger("poll")
    w.add(counted_plan("end", every="30m"), replace=True)
    assert next_at(w) is None
    w.end(run)
    assert next_at(w) == 33 * MINUTE


STEPS = st.lists(
    st.tuples(st.sampled_from(["pass", "end", "trigger", "crash", "sleep", "pause", "resume"]), st.integers(1, 1500)),
    max_size=40,
)


@given(st.sampled_from(["start", "end"]), STEPS)
def test_each_start_lies_whole_intervals_after_the_last_run(point: str, steps: list[tuple[str, int]]) -> None:
    w = open_world(point, overlap="skip")
    last = EPOCH
    seen: set[str] = set()
    for kind, seconds in steps:
        match kind:
            case "pass":
                w.advance(timedelta(seconds=seconds))
            case "end" if w.active_starts:
                end_run(w)
            case "trigger" if not w.engine.runs():
                w.trigger("poll")
            case "crash":
                w.crash(alive=list(w.active_starts), down=timedelta(seconds=seconds))
            case "sleep":
                w.sleep(timedelta(seconds=seconds))
            case "pause":
                w.pause("poll")
            case "resume":
                w.resume("poll")
        for start in w.started:
            if start.run.id not in seen:
                seen.add(start.run.id)
                if start.run.trigger == "t":
                    distance = start.run.scheduled_for - last
                    assert distance >= EVERY and distance % EVERY == timedelta(0)
                if point == "start":
                    last = start.run.started_at
        if point == "end":
            last = max([last, *(run.finished_at for run in w.history if run.attempt)])
        entry = w.engine.job(Job(id="poll", command="x").id)
        if not entry.state.paused and not w.engine.runs():
            first = next(iterate_starts(entry.plan, entry.state, w.now.wall))
            assert first.starts_at == w.engine.next_at(entry.job.id), "what is shown is what will happen"
