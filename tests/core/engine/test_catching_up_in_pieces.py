"""Many due instants are decided in pieces, a piece a turn, and that is all that one can see of it."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.engine.conftest import EveryMinutes

from rae_auto.engine import due_instants
from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.events import TimePassed
from rae_auto.engine.plan import Plan, Settings
from rae_auto.engine.runs import admission
from rae_auto.model.job import Job
from rae_auto.model.reasons import Missed, MissedCause
from rae_auto.model.run import Run, RunState
from rae_auto.simulation.virtual_engine import VirtualWorld

MINUTE = timedelta(minutes=1)
TEN_JOBS = [f"j{number}" for number in range(10)]


@pytest.fixture(autouse=True)
def pieces_of_500(monkeypatch):
    """Let a turn decide 500 instants: those of five of the ten jobs."""
    monkeypatch.setattr(due_instants, "MAX_INSTANTS_A_TURN", 500)


@pytest.fixture
def behind(world, job):
    """Return a function for a world of ten jobs that each have 100 instants to decide, and no turn for it yet."""

    def make(**fields: object) -> VirtualWorld:
        fields = {"catch_up": "all", "overlap": "allow", "overlap_max": 100, **fields}
        w = world(*(job(name, every=1, **fields) for name in TEN_JOBS))
        w.now = w.now.later(100 * MINUTE)
        return w

    return make


def decide(world: VirtualWorld) -> list[set[str]]:
    """Let time pass, and return the jobs that each turn decided."""
    turns = []
    while world.engine.next_wake(world.now) == 0:
        turns.append({decision.job for decision in world.feed(TimePassed()).decisions})
    return turns


def test_a_turn_decides_a_bounded_number_of_instants(behind):
    turns = decide(behind())
    assert turns == [set(TEN_JOBS[:5]), set(TEN_JOBS[5:])]


def test_jobs_that_are_merely_due_count_as_well(world, job):
    w = world(*(job(f"j{number}", every=60) for number in range(1200)))
    w.now = w.now.later(60 * MINUTE)
    assert list(map(len, decide(w))) == [500, 500, 200]


def test_a_trigger_by_hand_comes_between_two_pieces(behind):
    w = behind()
    w.feed(TimePassed())
    w.trigger("j9", "by hand")
    assert w.decisions[-1].key == "by hand"
    assert decide(w) == [set(TEN_JOBS[5:])]


def test_a_crash_between_two_pieces_neither_loses_nor_repeats(behind):
    w = behind()
    w.feed(TimePassed())
    assert w.engine.is_catching_up
    w.crash()
    keys = [(decision.job, decision.key) for decision in w.decisions]
    assert len(keys) == len(set(keys)) == 1000


def test_instants_that_fall_due_between_two_pieces_are_decided(behind):
    w = behind()
    w.feed(TimePassed())
    w.advance(3 * MINUTE)
    decided = {(decision.job, decision.at) for decision in w.decisions if not isinstance(decision.reason, Missed)}
    gone = {job for job in TEN_JOBS if (job, w.now.wall) not in decided}
    assert not gone
    assert not w.engine.is_catching_up


def test_a_jump_between_two_pieces_is_no_cause_for_the_rest(behind):
    w = behind(catch_up="none")
    w.feed(TimePassed())
    w.set_clock(2 * MINUTE)
    causes = {d.job: d.reason.cause for d in reversed(w.decisions) if isinstance(d.reason, Missed)}
    assert causes == dict.fromkeys(TEN_JOBS, MissedCause.BUSY)


def test_after_a_store_went_back_there_are_no_pieces(behind):
    w = behind()
    w.crash(reverts=True)
    assert {decision.reason.cause for decision in w.decisions} == {MissedCause.STORE_REVERTED}
    assert len(w.decisions) == len(TEN_JOBS)


def test_a_fault_after_a_store_went_back_repeats_nothing(behind, monkeypatch):
    w, original, faults = behind(), admission.decide, ["j3"]

    def decide_or_fail(turn, occurrence, *args, **kwargs):
        if occurrence.job in faults:
            raise RuntimeError("a fault")
        return original(turn, occurrence, *args, **kwargs)

    monkeypatch.setattr(admission, "decide", decide_or_fail)
    w.tolerates_faults = True
    at = w.now.wall
    w.crash(reverts=True)
    faults.clear()
    w.advance(2 * MINUTE)
    runs = [decision for decision in w.decisions if decision.run is not None and decision.job == "j3"]
    assert [decision.at for decision in runs] == [at + MINUTE, at + 2 * MINUTE]


def test_a_job_that_is_removed_between_two_pieces_is_over(behind):
    w = behind()
    w.feed(TimePassed())
    w.remove("j7")
    assert decide(w) == [set(TEN_JOBS[5:]) - {"j7"}]


def test_a_reload_decides_all_that_fell_due_before(behind):
    w = behind()
    w.feed(TimePassed())
    w.feed(Reconfigure(w.settings, ()))
    assert not w.engine.is_catching_up
    assert len(w.decisions) == 1000


def test_starts_are_spread_over_all_pieces(world, job):
    w = world(*(job(f"j{number}", every=60) for number in range(600)))
    w.now = w.now.later(62 * MINUTE)
    assert list(map(len, decide(w))) == [500, 100]
    delays = sorted((run.not_before or w.now.wall) - w.now.wall for run in w.stored(Run))
    assert delays == [timedelta(seconds=number / 10) for number in range(600)]


@st.composite
def plans(draw: st.DrawFn) -> list[Plan]:
    names = [f"j{number}" for number in range(draw(st.integers(2, 6)))]
    made = []
    for number, name in enumerate(names):
        job = Job(
            id=name,
            command="work",
            overlap=draw(st.sampled_from(["skip", "queue", "replace", "allow"])),
            overlap_max=draw(st.integers(1, 4)),
            catch_up=draw(st.sampled_from(["none", "latest", "all"])),
            catch_up_window=draw(st.sampled_from(["3m", "1h"])),
            # The needed jobs come later, so that the order of the jobs is not theirs.
            needs=draw(st.sets(st.sampled_from(names[number + 1 :]), max_size=2)) if names[number + 1 :] else (),
        )
        schedules = {
            f"t{index}": EveryMinutes(minutes, timedelta(seconds=draw(st.sampled_from([0, 90]))))
            for index, minutes in enumerate(draw(st.lists(st.sampled_from([1, 2, 7, 30]), max_size=2)))
        }
        made.append(Plan(job, schedules))
    return made


def outcome_of(made: list[Plan], limit: float, down: timedelta, restart: bool, paused: bool) -> list[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(due_instants, "MAX_INSTANTS_A_TURN", limit)
        w = VirtualWorld(*made, settings=Settings(max_parallel=1))
        w.trigger("j0", "first", forced=True)
        if paused:
            w.pause("j1")
        if restart:
            w.crash(down=down, alive=list(w.active_starts))
        else:
            w.now = w.now.later(down)
            w.pass_time()
        runs = [(run.id, run.not_before) for run in w.stored(Run)]
        replaced = [run.id for run in w.history if run.state is RunState.CANCELLED]
        return [w.decisions, sorted(runs, key=str), replaced]


@given(made=plans(), limit=st.integers(1, 40), minutes=st.integers(1, 150), restart=st.booleans(), paused=st.booleans())
@settings(max_examples=150, deadline=None)
def test_pieces_of_any_size_have_the_same_outcome(made, limit, minutes, restart, paused):
    down = timedelta(minutes=minutes)
    assert outcome_of(made, limit, down, restart, paused) == outcome_of(made, float("inf"), down, restart, paused)
