"""The next instant may be decided before it comes, if nothing that happens until then matters."""

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from tests.core.engine.conftest import EveryMinutes

from rae_auto.engine.effects import Start
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored, TimePassed
from rae_auto.engine.plan import Plan, Settings
from rae_auto.model.job import Job
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import Due
from rae_auto.model.run import Run, RunState
from rae_auto.simulation.virtual_engine import EPOCH, VirtualWorld

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
A_MOMENT = timedelta(milliseconds=300)


def can_decide_ahead(world: VirtualWorld) -> bool:
    """Return whether the next instant of the schedules can be decided now."""
    instant = world.engine.next_instant
    assert instant is not None
    return world.engine.can_decide_ahead(world.now.later(instant - world.now.wall))


def test_decisions_are_those_of_the_instant(world, job):
    jobs = [job("a", every=5), job("b", every=5, catch_up="all"), job("c", every=1)]
    ahead, in_time = world(*jobs, max_parallel=2), world(*jobs, max_parallel=2)
    ahead.advance(5 * MINUTE - A_MOMENT)
    in_time.advance(5 * MINUTE - A_MOMENT)
    for w in (ahead, in_time):
        for run in list(w.active_starts):
            w.end(run)
    assert can_decide_ahead(ahead)
    due = ahead.now.later(A_MOMENT)
    in_time.now = due
    assert ahead.engine.handle(TimePassed(), due).changes == in_time.engine.handle(TimePassed(), due).changes


def test_due_job_with_an_open_run_may_still_end_it(world, job):
    w = world(job("a", every=5), job("b", every=5), job("by-hand"))
    run = w.trigger("a")
    w.advance(5 * MINUTE - A_MOMENT)
    assert not can_decide_ahead(w)
    w.end(run)
    assert can_decide_ahead(w)
    w.trigger("by-hand")
    assert can_decide_ahead(w)


def test_alarm_before_the_instant_rings_first(world, job):
    w = world(job("a", every=5), job("slow", timeout=timedelta(minutes=5) - 0.1 * SECOND))
    w.trigger("slow")
    w.advance(5 * MINUTE - A_MOMENT)
    assert not can_decide_ahead(w)
    w.advance(0.2 * SECOND)
    assert can_decide_ahead(w)


@pytest.mark.parametrize(("earlier", "expected"), [(0.1 * SECOND, False), (0 * SECOND, True)])
def test_pause_that_ends_before_the_instant_ends_first(world, job, earlier, expected):
    w = world(job("a", every=5), job("b", every=60))
    w.pause("b", until=w.now.wall + 5 * MINUTE - earlier)
    w.advance(5 * MINUTE - A_MOMENT)
    assert can_decide_ahead(w) == expected


def test_jump_of_a_clock_is_handled_first(world, job):
    w = world(job("a", every=5))
    w.advance(4 * MINUTE)
    w.now = w.now.later(A_MOMENT)
    assert can_decide_ahead(w)
    instant = w.engine.next_instant
    due = w.now.later(instant - w.now.wall)
    assert not w.engine.can_decide_ahead(evolve(due, mono=due.mono - 30))


def test_stopping_engine_decides_nothing(world, job):
    w = world(job("a", every=5), job("slow"))
    w.trigger("slow")
    w.stop(grace=MINUTE)
    assert w.engine.next_instant is None
    assert not w.engine.can_decide_ahead(w.now.later(5 * MINUTE))


def test_restarted_engine_explains_what_it_missed_first(job):
    engine, start = Engine(), Moment(EPOCH, 0.0, boot="boot")
    engine.handle(Restored(Settings(), (job("a", every=5),)), start)
    assert not engine.can_decide_ahead(start.later(5 * MINUTE))
    engine.handle(TimePassed(), start)
    assert engine.can_decide_ahead(start.later(5 * MINUTE))


@given(size=st.integers(1, 5), down=st.sampled_from([-0.3, -0.2, 0.0, 5.0]))
def test_death_before_the_instant_neither_loses_nor_repeats_it(size, down):
    plans = [Plan(Job(id=f"j{n}", command="work"), {"t": EveryMinutes(5)}) for n in range(size)]
    w = VirtualWorld(*plans)
    assert w.decide_ahead_in_vain(A_MOMENT)
    assert not w.started
    never_started, started_at = [run.run.id for run in w.engine.runs()], []
    w.on_effect = lambda effect: started_at.append(w.now.wall) if isinstance(effect, Start) else None
    w.crash(down=timedelta(seconds=down), never_started=never_started)
    w.advance(MINUTE)
    assert sorted(start.run.job for start in w.started) == sorted(plan.job.id for plan in plans)
    assert {type(start.run.cause) for start in w.started} == {Due}
    assert min(started_at) >= EPOCH + 5 * MINUTE
    assert all(run.started_at <= attempt.finished_at for run in w.stored(Run) for attempt in run.attempts)
    assert all(w.run(run).state is RunState.STARTING for run in w.active_starts)
    assert len({(decision.job, decision.key) for decision in w.decisions}) == len(w.decisions) == len(plans)
