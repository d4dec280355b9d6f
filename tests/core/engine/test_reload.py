"""A configuration that is read again keeps everything in flight: what stays the same can't be told from no reload."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.events import TimePassed
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.errors import SchedulerError
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.policies import CatchUp, Overlap, Priority, RetryPolicy
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import Missed, MissedCause, Removed
from rae_auto.model.run import Result, Run, RunState
from rae_auto.simulation.virtual_engine import VirtualWorld

pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

NAMES = ("a", "b", "c", "d")
RESOURCES = {"db": 1}


@frozen
class EveryMinutes:
    """A schedule for tests: each multiple of so many minutes."""

    minutes: int
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime:
        step = self.minutes * 60
        return datetime.fromtimestamp((int(instant.timestamp()) // step + 1) * step, UTC)


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, Any], ...]:
    """Factories of plans by name, so that each reload can create equal ones again."""
    return tuple(
        {
            "id": name,
            "minutes": draw(st.sampled_from([None, 1, 2, 7])),
            "jitter": draw(st.sampled_from([0, 0, 90])),
            "overlap": draw(st.sampled_from(Overlap)),
            "overlap_max": draw(st.integers(1, 3)),
            "priority": draw(st.sampled_from(Priority)),
            "catch_up": draw(st.sampled_from(CatchUp)),
            "timeout": draw(st.sampled_from([None, "3m"])),
            "enabled": draw(st.sampled_from([True, True, False])),
            "needs": draw(st.sampled_from([(), (), (NAMES[index - 1],)])) if index else (),
            "resources": draw(st.sampled_from([(), (), ("db",)])),
            "attempts": draw(st.integers(1, 3)),
        }
        for index, name in enumerate(NAMES)
    )


def planned(made_of: dict[str, Any], **changed: Any) -> Plan:
    fields = {**made_of, **changed}
    minutes, jitter, attempts = fields.pop("minutes"), fields.pop("jitter"), fields.pop("attempts")
    job = Job(command="work", retry_policy=RetryPolicy(attempts=attempts, delay="90s"), **fields)
    schedules = {} if minutes is None else {"t": EveryMinutes(minutes, timedelta(seconds=jitter))}
    return Plan(job, schedules, JobOrigin.CONFIG)


def configured(makings: tuple[dict[str, Any], ...], places: int) -> Reconfigure:
    return Reconfigure(Settings(places, True, dict(RESOURCES)), tuple(planned(making) for making in makings))


def refused_or(action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    with contextlib.suppress(SchedulerError):
        action(*args, **kwargs)


def move_clocks(world: VirtualWorld, wall: float, mono: float, slept: float) -> None:
    """Time passes, or is set, and the engine doesn't know it yet."""
    now = world.now
    world.now = Moment(now.wall + timedelta(seconds=wall), now.mono + mono, now.slept + slept)


def first_active_run(world: VirtualWorld, number: int) -> Any:
    return sorted(world.active_starts)[number % len(world.active_starts)]


def play(world: VirtualWorld, step: tuple[Any, ...]) -> None:
    match step:
        case ("advance", seconds):
            world.feed(TimePassed())
            world.advance(timedelta(seconds=seconds))
        case ("clocks", wall, mono, slept):
            move_clocks(world, wall, mono, slept)
        case ("trigger", name):
            refused_or(world.trigger, name)
        case ("fire", name, key):
            world.fire(name, "source", f"event-{key}")
        case ("confirm", number) if world.active_starts:
            world.confirm(first_active_run(world, number))
        case ("end", number, exit_code) if world.active_starts:
            world.end(first_active_run(world, number), Result(exit_code=exit_code))
        case ("cancel", name):
            refused_or(world.cancel, job=name)
        case ("pause", name):
            refused_or(world.pause, name)
        case ("resume", name):
            refused_or(world.resume, name)
        case ("crash", down):
            world.crash(down=timedelta(seconds=down))


names, numbers = st.sampled_from(NAMES), st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.just("advance"), st.sampled_from([1, 30, 60, 61, 200, 1000])),
    st.tuples(st.just("trigger"), names),
    st.tuples(st.just("trigger"), names),
    st.tuples(st.just("fire"), names, st.integers(0, 3)),
    st.tuples(st.just("confirm"), numbers),
    st.tuples(st.just("end"), numbers, st.sampled_from([0, 0, 1])),
    st.tuples(st.just("end"), numbers, st.sampled_from([0, 0, 1])),
    st.tuples(st.just("cancel"), names),
    st.tuples(st.just("pause"), names),
    st.tuples(st.just("resume"), names),
    st.tuples(st.just("crash"), st.sampled_from([0, 30, 5000])),
    st.sampled_from(
        [
            ("clocks", 60, 60, 0),
            ("clocks", 0.5, 0.5, 0),
            ("clocks", 600, 0, 0),
            ("clocks", -600, 0, 0),
            ("clocks", 600, 0, 600),
        ]
    ),
)


def seen_from_outside(world: VirtualWorld) -> dict[str, Any]:
    """Everything by which two states can differ visibly."""
    engine = world.engine
    return {
        "started": world.started,
        "cancelled": world.cancelled,
        "notices": world.notices,
        "history": world.history,
        "decisions": world.decisions,
        "kept": [set(map(repr, world.stored(cls))) for cls in (Run, JobState, SeenOccurrence)],
        "waits": {o.run.id: engine.waiting_for(o.run.id) for o in engine.runs()},
        "due": {name: engine.next_at(name) for name in NAMES},
        "wake": engine.next_wake(world.now),
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    makings=plans(),
    places=st.sampled_from([1, 3]),
    script=st.lists(st.tuples(steps, st.booleans()), min_size=5, max_size=40),
)
def test_reload_of_the_same_configuration_changes_nothing(makings, places, script):
    first = configured(makings, places)
    left_alone = VirtualWorld(*first.plans, settings=first.settings)
    reloaded = VirtualWorld(*first.plans, settings=first.settings)
    for step, reloads in script:
        for world in (left_alone, reloaded):
            play(world, step)
        if reloads:
            reloaded.feed(configured(makings, places))
            # The daemon's turn ends with what is due, whatever came in before.
            for world in (left_alone, reloaded):
                world.feed(TimePassed())
        assert seen_from_outside(reloaded) == seen_from_outside(left_alone)


MAKING = {
    "id": "a",
    "minutes": 7,
    "jitter": 0,
    "overlap": Overlap.QUEUE,
    "attempts": 3,
    "timeout": "3m",
}


def running(**fields: Any) -> VirtualWorld:
    """A world in which a job's first run is active."""
    world = VirtualWorld(planned(MAKING, **fields), settings=Settings(3, True, RESOURCES))
    world.advance(timedelta(minutes=7))
    assert world.active_starts
    return world


def reload(world: VirtualWorld, *plans: Plan) -> None:
    world.feed(Reconfigure(Settings(3, True, RESOURCES), plans))


def test_reload_changes_a_job_from_its_next_occurrence_on():
    world = running()
    (run,) = world.active_starts
    reload(world, planned(MAKING, attempts=1, timeout=None))
    world.fail(run)
    assert world.run(run).state is RunState.RETRYING
    world.advance(timedelta(minutes=2))
    assert world.started[-1].run.attempt == 2
    world.advance(timedelta(minutes=3, seconds=1))
    assert [cancel.run for cancel in world.cancelled] == [run], "its timeout of 3 minutes counts on"
    world.end(run, Result(signal=15))
    world.cancel(run=run)
    world.advance(timedelta(minutes=7))
    (later,) = world.active_starts
    world.fail(later)
    assert world.run(later).state is RunState.FAILED, "one attempt, as it says now"


def test_reload_that_removes_a_job_finishes_only_its_active_run():
    world = running(attempts=1)
    (run,) = world.active_starts
    world.trigger("a")
    reload(world)
    assert [past.reason for past in world.history] == [Removed()]
    world.advance(timedelta(hours=1))
    assert [cancel.run for cancel in world.cancelled] == [run], "its own timeout still counts"
    world.end(run, Result(exit_code=0))
    assert world.run(run).state is RunState.TIMED_OUT
    assert [start.run.id for start in world.started] == [run]


def test_reload_decides_earlier_instants_by_the_old_schedule():
    world = VirtualWorld(planned(MAKING), settings=Settings(3, True, RESOURCES))
    # The instant and the reload come in the same turn of the daemon.
    move_clocks(world, 421, 421, 0)
    reload(world, planned(MAKING, minutes=60))
    assert [start.run.scheduled_for.minute for start in world.started] == [7]
    world.feed(TimePassed())
    assert len(world.started) == 1


def test_missed_cause_is_kept_over_other_events():
    world = VirtualWorld(planned(MAKING, catch_up="none"), settings=Settings(3, True, RESOURCES))
    move_clocks(world, 3600, 0, 3600)
    world.fire("a", "source", "first")
    world.feed(TimePassed())
    (missed,) = [decision for decision in world.decisions if isinstance(decision.reason, Missed)]
    assert missed.reason.cause is MissedCause.SLEPT
