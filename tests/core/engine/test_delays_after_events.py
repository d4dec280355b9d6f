"""Delays after events: durable, counted while the machine is awake, withdrawn by what ends them."""

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.engine.events import OccurrenceWithdrawn
from rae_auto.engine.plan import Plan
from rae_auto.model.job import Job
from rae_auto.model.reasons import Overlapping, Paused, StartDelayed, Withdrawn
from rae_auto.model.run import RunState
from rae_auto.simulation.virtual_engine import EPOCH, VirtualWorld

DELAY = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)


def delayed_plan(**fields: object) -> Plan:
    return Plan(Job(id="tidy", command="work", **fields), delays={"system": DELAY})


@pytest.fixture
def w() -> VirtualWorld:
    return VirtualWorld(delayed_plan())


def fire(w: VirtualWorld, key: str = "resume:1") -> None:
    w.fire("tidy", "system", key)


def withdraw(w: VirtualWorld, key: str = "resume:1", by: str = "sleep") -> None:
    w.feed(OccurrenceWithdrawn(Job(id="tidy", command="x").id, "system", key, by))


def test_event_starts_its_job_after_the_delay_and_not_before(w: VirtualWorld) -> None:
    fire(w)
    (waiting,) = w.engine.runs()
    assert w.engine.waiting_for(waiting.run.id) == StartDelayed(EPOCH + DELAY, is_after_event=True)
    assert w.engine.next_at(waiting.run.job) == w.engine.delayed_until(waiting.run.job) == EPOCH + DELAY
    w.advance(DELAY - timedelta(seconds=1))
    assert not w.started
    w.advance(timedelta(seconds=1))
    assert [start.run.started_at for start in w.started] == [EPOCH + DELAY]
    assert w.engine.delayed_until(waiting.run.job) is None


def test_delay_outlives_the_daemon_and_is_over_in_its_absence(w: VirtualWorld) -> None:
    fire(w)
    w.crash(down=5 * MINUTE)
    assert not w.started
    w.crash(down=DELAY)
    assert len(w.started) == 1


def test_sleep_does_not_count_and_neither_does_a_set_clock(w: VirtualWorld) -> None:
    fire(w)
    w.advance(10 * MINUTE)
    w.sleep(timedelta(hours=3))
    w.set_clock(timedelta(hours=1))
    w.set_clock(timedelta(hours=-5))
    assert not w.started
    w.advance(5 * MINUTE)
    assert len(w.started) == 1


def test_sleep_while_no_daemon_ran_does_not_count_either(w: VirtualWorld) -> None:
    fire(w)
    w.now = evolve(w.now, wall=w.now.wall + timedelta(hours=2), slept=w.now.slept + 7200)
    w.crash(down=MINUTE)
    assert not w.started
    w.advance(DELAY - 2 * MINUTE)
    assert not w.started
    w.advance(MINUTE)
    assert len(w.started) == 1


def test_withdrawn_occurrence_is_on_record_with_its_reason(w: VirtualWorld) -> None:
    fire(w)
    withdraw(w)
    w.crash()
    w.advance(2 * DELAY)
    assert not w.started
    (run,) = w.history
    assert (run.state, run.reason) == (RunState.CANCELLED, Withdrawn("sleep"))
    assert Withdrawn("sleep").text == '"sleep" came before its delay was over'


def test_newer_event_starts_the_job_after_the_older_one_was_withdrawn(w: VirtualWorld) -> None:
    fire(w)
    w.advance(10 * MINUTE)
    withdraw(w, by="resume")
    fire(w, "resume:2")
    w.advance(10 * MINUTE)
    assert not w.started
    w.advance(5 * MINUTE)
    assert [start.run.key for start in w.started] == ["resume:2"]


@pytest.mark.parametrize("minutes", [15, 20])
def test_start_after_its_delay_is_not_withdrawn(w: VirtualWorld, minutes: int) -> None:
    fire(w)
    w.advance(minutes * MINUTE)
    withdraw(w)
    withdraw(w, "never:heard of")
    assert w.engine.run(w.started[0].run.id) is not None


def test_delay_goes_on_in_a_pause_and_the_start_waits_for_its_end(w: VirtualWorld) -> None:
    fire(w)
    w.pause("tidy")
    assert w.engine.next_at(w.started[0].run.job if w.started else Job(id="tidy", command="x").id) is None
    w.advance(2 * DELAY)
    (waiting,) = w.engine.runs()
    assert isinstance(w.engine.waiting_for(waiting.run.id), Paused)
    w.resume("tidy")
    assert len(w.started) == 1


def test_overlap_decides_on_other_events_during_the_delay(w: VirtualWorld) -> None:
    fire(w)
    fire(w, "login:1")
    (skipped,) = [decision for decision in w.decisions if decision.run is None]
    assert isinstance(skipped.reason, Overlapping)


STEPS = st.lists(
    st.tuples(st.sampled_from(["awake", "asleep", "set", "crash"]), st.integers(-600, 600)), min_size=1, max_size=12
)


@given(STEPS)
def test_delay_is_as_long_as_the_machine_is_awake(steps: list[tuple[str, int]]) -> None:
    w = VirtualWorld(delayed_plan())
    fire(w)
    awake = timedelta(0)
    for kind, seconds in steps:
        by = timedelta(seconds=abs(seconds))
        if w.started:
            break
        match kind:
            case "awake":
                w.advance(by)
                awake += by
            case "asleep":
                w.sleep(by)
            case "set":
                w.set_clock(timedelta(seconds=seconds))
            case "crash":
                w.crash(down=by)
                awake += by
    # Jumps of up to a second are none.
    tolerance = timedelta(seconds=len(steps))
    if w.started:
        assert awake >= DELAY - tolerance
    else:
        assert awake <= DELAY + tolerance
        w.advance(DELAY - awake + tolerance)
        assert len(w.started) == 1
