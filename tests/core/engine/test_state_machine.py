"""A hypothesis state machine plays random events against the engine and checks its promises after each."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from attrs import frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rae_auto.engine.plan import Plan, Settings
from rae_auto.errors import SchedulerError
from rae_auto.model.decision import Outcome
from rae_auto.model.job import Job
from rae_auto.model.policies import CatchUp, OnCrash, Overlap, Priority, RetryPolicy
from rae_auto.model.reasons import (
    Disabled,
    MaxParallel,
    Missed,
    NeedFailed,
    NeedNeverRan,
    NeedRunning,
    Overlapping,
    RetryDelayed,
    StartDelayed,
)
from rae_auto.model.run import Result, Run, RunState
from rae_auto.simulation.virtual_engine import VirtualWorld

pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

MAX_PARALLEL = 3
HOLDING = (StartDelayed, RetryDelayed, Disabled, Overlapping, NeedRunning, NeedFailed, NeedNeverRan)
NAMES = ("a", "b", "c", "d")


@frozen
class EveryMinutes:
    """A schedule for tests: each multiple of so many minutes."""

    minutes: int
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime:
        step = self.minutes * 60
        return datetime.fromtimestamp((int(instant.timestamp()) // step + 1) * step, UTC)


def jobs(name: str) -> st.SearchStrategy[Job]:
    # Needs point to earlier names, so that there is no circle to refuse.
    earlier = NAMES[: NAMES.index(name)]
    return st.builds(
        Job,
        id=st.just(name),
        command=st.just("work"),
        overlap=st.sampled_from(Overlap),
        overlap_max=st.integers(1, 3),
        priority=st.sampled_from(Priority),
        catch_up=st.sampled_from(CatchUp),
        on_crash=st.sampled_from([None, *OnCrash]),
        timeout=st.sampled_from([None, "3m"]),
        enabled=st.sampled_from([True, True, True, False]),
        needs=st.just(()) if not earlier else st.sampled_from([(), (), (earlier[-1],)]),
        retry_policy=st.builds(RetryPolicy, attempts=st.integers(1, 3), delay=st.just("90s")),
    )


plans = st.sampled_from(NAMES).flatmap(
    lambda name: st.builds(
        Plan,
        jobs(name),
        st.dictionaries(st.sampled_from(["t", "u"]), st.builds(EveryMinutes, st.sampled_from([1, 2, 7])), max_size=2),
    )
)


class EngineMachine(RuleBasedStateMachine):
    """Random people, clocks, executors and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = VirtualWorld(settings=Settings(max_parallel=MAX_PARALLEL))
        self.let_in_by: dict[str, Overlap] = {}
        self.of_others: set[tuple[str, str, str]] = set()

    def refused_or(self, action, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Run a command that may be refused, but only with an error of ours."""
        try:
            return action(*args, **kwargs)
        except SchedulerError:
            return None

    @rule(plan=plans, replace=st.booleans())
    def add(self, plan: Plan, replace: bool) -> None:
        self.refused_or(self.world.add, plan, replace=replace)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.refused_or(self.world.remove, name)
        # What is added next under this name is another job, at another time.
        self.world.advance(timedelta(seconds=1))
        self.of_others |= {(d.job, d.trigger, d.key) for d in self.world.decisions if d.job == name}

    @rule(name=st.sampled_from(NAMES))
    def trigger(self, name: str) -> None:
        self.refused_or(self.world.trigger, name)

    @rule(name=st.sampled_from(NAMES), key=st.integers(0, 5))
    def fire(self, name: str, key: int) -> None:
        self.world.fire(name, "source", f"event-{key}")

    @rule(seconds=st.sampled_from([1, 30, 60, 61, 200, 1000]))
    def advance(self, seconds: int) -> None:
        self.world.advance(timedelta(seconds=seconds))

    @precondition(lambda self: self.world.active_starts)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        self.world.confirm(data.draw(st.sampled_from(sorted(self.world.active_starts))))

    @precondition(lambda self: self.world.active_starts)
    @rule(data=st.data(), exit_code=st.sampled_from([0, 0, 1]))
    def end(self, data: st.DataObject, exit_code: int) -> None:
        self.world.end(data.draw(st.sampled_from(sorted(self.world.active_starts))), Result(exit_code=exit_code))

    @rule(name=st.sampled_from(NAMES))
    def cancel(self, name: str) -> None:
        self.refused_or(self.world.cancel, job=name)

    @rule(name=st.sampled_from(NAMES), paused=st.booleans())
    def pause_or_resume(self, name: str, paused: bool) -> None:
        self.refused_or(self.world.pause if paused else self.world.resume, name)

    @rule(data=st.data(), down=st.sampled_from([0, 30, 300, 90_000]))
    def crash(self, data: st.DataObject, down: int) -> None:
        open_before = {run.id: run for run in self.world.stored(Run)}
        alive = (
            data.draw(st.sets(st.sampled_from(sorted(self.world.active_starts)))) if self.world.active_starts else set()
        )
        self.world.crash(alive=alive, down=timedelta(seconds=down))
        for run in open_before:
            # Open or over, but on record: `run` fails where it is lost.
            self.world.run(run)

    @invariant()
    def never_more_than_max_parallel(self) -> None:
        active = [o.run for o in self.world.engine.runs() if o.run.state.active]
        assert len(active) <= MAX_PARALLEL
        assert {run.id for run in active} == set(self.world.active_starts)

    @property
    def caught_up(self) -> set[str | None]:
        """The runs of passes in which more than one occurrence of a trigger was let in."""
        passes: dict[object, set[str | None]] = {}
        for decision in self.world.decisions:
            if decision.run is not None:
                passes.setdefault((decision.job, decision.trigger, decision.decided_at), set()).add(decision.run)
        return {run for runs in passes.values() if len(runs) > 1 for run in runs}

    @invariant()
    def never_two_runs_where_overlap_forbids_it(self) -> None:
        for entry in self.world.engine.jobs():
            opened = self.world.engine.runs(entry.job.id)
            # Found again after a crash a run goes by what its job says now; it was let in by what that said then.
            policies = {self.let_in_by.setdefault(o.run.id, o.job.overlap) for o in opened}
            # What is caught up together waits in line.
            own_turn = [o for o in opened if o.run.id not in self.caught_up]
            if policies == {Overlap.SKIP}:
                assert len(own_turn) <= 1
            if Overlap.ALLOW not in policies | {entry.job.overlap}:
                assert sum(o.run.state.active for o in opened) <= 1

    @invariant()
    def every_occurrence_has_exactly_one_decision(self) -> None:
        decided = Counter((d.job, d.trigger, d.key) for d in self.world.decisions if not isinstance(d.reason, Missed))
        assert not [identity for identity, times in decided.items() if times > 1 and identity not in self.of_others]

    @invariant()
    def every_decision_to_run_is_a_run_on_record(self) -> None:
        for decision in self.world.decisions:
            assert (decision.run is not None) == (decision.outcome is Outcome.RUN)
            if decision.run is not None:
                self.world.run(decision.run)

    @invariant()
    def what_is_committed_is_what_the_engine_knows(self) -> None:
        assert {run.id: run for run in self.world.stored(Run)} == {o.run.id: o.run for o in self.world.engine.runs()}

    @invariant()
    def a_finished_run_is_finished_once(self) -> None:
        assert not [run for run, times in Counter(run.id for run in self.world.history).items() if times > 1]
        assert all(run.state.final and run.finished_at is not None for run in self.world.history)

    @invariant()
    def each_attempt_is_started_at_most_once(self) -> None:
        started = Counter((start.run.id, start.run.attempt) for start in self.world.started)
        assert not started or max(started.values()) == 1

    @invariant()
    def nothing_idles_while_there_is_room(self) -> None:
        engine = self.world.engine
        if sum(o.run.state.active for o in engine.runs()) < MAX_PARALLEL:
            for opened in engine.runs():
                waiting = engine.waiting_for(opened.run.id)
                assert not isinstance(waiting, MaxParallel), opened

    def teardown(self) -> None:
        """Liveness: once everything may end, only runs that are blocked on purpose stay open."""
        for name in NAMES:
            self.refused_or(self.world.resume, name)
        for _ in range(200):
            if not self.world.active_starts:
                break
            self.world.end(next(iter(self.world.active_starts)))
        for opened in self.world.engine.runs():
            waiting = self.world.engine.waiting_for(opened.run.id)
            assert waiting is not None
            assert isinstance(waiting, HOLDING), waiting
        assert all(run.state is not RunState.RUNNING for run in self.world.stored(Run))


EngineMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestEngine = EngineMachine.TestCase
