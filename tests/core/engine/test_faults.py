"""Faults of the engine itself: a part of a turn that raises changes nothing, and everything else goes on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rae_auto.engine.commands import AddJob, AddJobs, CancelRuns, Reconfigure, RemoveJob, SetPaused, Trigger
from rae_auto.engine.effects import Reply
from rae_auto.engine.engine import EngineInput
from rae_auto.engine.events import AttemptEnded, TimePassed, TriggerFired
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.engine.runs import admission, dispatch
from rae_auto.engine.turn import Turn
from rae_auto.engine.undo_log import UndoLog
from rae_auto.errors import DuplicateJob, InternalError, InvalidJob, SchedulerError
from rae_auto.model.decision import MANUAL, Decision, Occurrence
from rae_auto.model.job import Job
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import InternalFault, Missed
from rae_auto.model.run import Result
from rae_auto.simulation.virtual_engine import EPOCH, VirtualWorld

IGNORED = ("undo_log", "_undo_log", "__weakref__", "_count", "_pushed", "_arrivals", "last_moment")
"""Counters only give numbers to entries, and need not go back."""


def fields_of(value: Any) -> dict[str, Any]:
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    names += list(getattr(value, "__dict__", ()))
    return {name: getattr(value, name) for name in names if name not in IGNORED}


def snapshot(value: Any) -> object:
    """Return everything that a part of the engine knows, in a form that compares."""
    if isinstance(value, dict):
        return {repr(key): snapshot(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [snapshot(one) for one in value]
    if type(value).__module__.startswith("rae_auto.engine"):
        # A heap is the same whatever the order of its list.
        return {n: sorted(map(repr, v)) if n == "_heap" else snapshot(v) for n, v in fields_of(value).items()}
    return repr(value)


class FailingNote:
    """Makes the change of the engine's state fail that comes after so many others in parts of a turn.

    Each change is noted in a list of the undo log: those of attributes by another way than those of containers.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.depth = 0
        append_original, perform_original = UndoLog.append, Turn.perform

        def perform(turn: Turn, *args: Any) -> bool:
            self.depth += 1
            try:
                return perform_original(turn, *args)
            finally:
                self.depth -= 1

        def append(undo_log: UndoLog, note: Any) -> None:
            self.check()
            append_original(undo_log, note)

        patch.setattr(UndoLog, "append", append, raising=False)
        patch.setattr(Turn, "perform", perform)

    def check(self) -> None:
        """Raise the fault if it is due."""
        if self.left is not None and self.depth:
            if self.left == 0:
                self.left = None
                raise RuntimeError("a fault")
            self.left -= 1


def busy_world(job: Callable[..., Plan]) -> VirtualWorld:
    """Return a world with runs that are active, queued, delayed and blocked."""
    world = VirtualWorld(
        job("a", every=5, overlap="replace", resources=["x"]),
        job("b", needs=["a"], overlap="allow"),
        job("c", every=1, retry_policy=RetryPolicy(attempts=3, delay="90s"), resources=["x"]),
        job("d", overlap="queue"),
        settings=Settings(max_parallel=3, resources={"x": 1}),
    )
    world.tolerates_faults = True
    world.advance(timedelta(minutes=5))
    for name in ("a", "d", "d"):
        world.trigger(name)
    world.fire("b", "source", "event")
    world.end(next(run for run, start in world.active_starts.items() if start.job.id == "c"), Result(exit_code=1))
    return world


INPUTS: dict[str, Callable[[VirtualWorld, Callable[..., Plan]], EngineInput]] = {
    "add": lambda _, job: AddJob(job("e", every=1, needs=["a"]), ask=1),
    "replace": lambda _, job: AddJob(job("c", every=2, overlap="allow"), replace=True, ask=1),
    "remove": lambda _, __: RemoveJob(JobId("c"), ask=1),
    "pause": lambda _, __: SetPaused(JobId("a"), True, ask=1),
    "cancel": lambda _, __: CancelRuns(JobId("d"), ask=1),
    "trigger": lambda w, _: Trigger(Occurrence(JobId("a"), MANUAL, "key", w.now.wall), ask=1),
    "fire": lambda w, _: TriggerFired(Occurrence(JobId("b"), "source", "other", w.now.wall), ask=1),
    "reload": lambda _, job: Reconfigure(Settings(max_parallel=5), (Plan(job("f").job, {}, JobOrigin.CONFIG),), ask=1),
    "end": lambda w, _: AttemptEnded(sorted(w.active_starts)[0], 1, Result(exit_code=1)),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_fault_at_any_change_leaves_the_state_as_it_was(name, job, monkeypatch):
    fault, refused = FailingNote(monkeypatch), 0
    for count in range(200):
        world = busy_world(job)
        input_ = INPUTS[name](world, job)
        before = snapshot(world.engine._state)
        fault.left = count
        step = world.engine.handle(input_, world.now)
        if fault.left is not None:
            break
        assert [str(failure.error) for failure in step.failures] == ["a fault"]
        if step.is_refused:
            refused += 1
            assert snapshot(world.engine._state) == before
            assert not step.changes
            replies = [effect for effect in step.effects if isinstance(effect, Reply)]
            assert all(isinstance(reply.value, InternalError) for reply in replies)
            assert len(replies) == (getattr(input_, "ask", None) is not None)
    assert fault.left is not None, "each change of the state had its fault"
    assert refused


def test_a_fault_in_one_of_many_added_jobs_leaves_the_others(job, monkeypatch):
    fault, places = FailingNote(monkeypatch), set()
    plans = (job("e", every=1), job("a"), job("f", every=2, needs=["e"]), job("g", needs=["missing"]))
    for count in range(200):
        world = busy_world(job)
        fault.left = count
        step = world.engine.handle(AddJobs(plans, ask=1), world.now)
        if fault.left is not None:
            break
        refused = next(effect.value["refused"] for effect in step.effects if isinstance(effect, Reply))
        failed = {place for place, error in refused.items() if isinstance(error, InternalError)}
        assert len(failed) == len(step.failures) == 1
        places |= failed
        added = {change.value.id for change in step.changes if isinstance(change.value, Job)}
        assert added == {plans[place].job.id for place in range(len(plans)) if place not in refused}
        assert added <= set(world.engine.job_ids())
        assert "e" in world.engine.job_ids() or 0 in failed
    assert places == {0, 2}
    assert isinstance(refused[1], DuplicateJob)
    assert isinstance(refused[3], InvalidJob)


def test_a_fault_while_time_passes_loses_no_instant(job, monkeypatch):
    fault = FailingNote(monkeypatch)
    for count in range(200):
        world = busy_world(job)
        fault.left = count
        world.now = world.now.later(timedelta(minutes=2))
        world.feed(TimePassed())
        has_failed, fault.left = fault.left is None, None
        world.advance(timedelta(minutes=3))
        decided = [at for decision in world.decisions for at in instants_of(decision)]
        expected = [("a", EPOCH + timedelta(minutes=5 * n)) for n in (1, 2)]
        expected += [("c", EPOCH + timedelta(minutes=n)) for n in range(1, 11)]
        assert sorted(decided) == expected
        if not has_failed:
            return
    raise AssertionError("each change of the state had its fault")


def instants_of(decision: Decision) -> list[tuple[str, datetime]]:
    if not isinstance(decision.reason, Missed):
        return [(decision.job, decision.at)] if decision.trigger == "t" else []
    minutes = (decision.reason.last - decision.reason.first) // timedelta(minutes=1)
    return [(decision.job, decision.reason.first + timedelta(minutes=n)) for n in range(minutes + 1)]


def test_a_run_that_cannot_be_dispatched_does_not_hold_up_others(world, job, monkeypatch):
    faults = ["a"]
    original = dispatch._start

    def start(turn, entry):
        if entry.run.job in faults:
            raise RuntimeError("a fault")
        original(turn, entry)

    monkeypatch.setattr(dispatch, "_start", start)
    w = world(job("a"), job("b"), max_parallel=1)
    w.tolerates_faults = True
    first = w.trigger("a")
    second = w.trigger("b")
    assert list(w.active_starts) == [second]
    assert isinstance(w.engine.waiting_for(first), InternalFault)
    w.end(second)
    faults.clear()
    w.advance(timedelta(seconds=61))
    assert list(w.active_starts) == [first]


def test_instants_that_a_fault_kept_undecided_are_decided_later(world, job, monkeypatch):
    faults = ["a"]
    original = admission.find_refusal

    def find_refusal(turn, entry, candidate):
        if entry.job.id in faults:
            raise RuntimeError("a fault")
        return original(turn, entry, candidate)

    monkeypatch.setattr(admission, "find_refusal", find_refusal)
    w = world(job("a", every=60), job("b", every=60))
    w.tolerates_faults = True
    w.advance(timedelta(minutes=60))
    assert [start.job.id for start in w.started] == ["b"]
    faults.clear()
    w.advance(timedelta(seconds=61))
    assert [start.job.id for start in w.started] == ["b", "a"]
    assert len({decision.key for decision in w.decisions}) == 1


def test_an_engine_that_undoes_no_faults_raises_them(job, monkeypatch):
    def start(turn, entry):
        raise RuntimeError("a fault")

    monkeypatch.setattr(dispatch, "_start", start)
    w = VirtualWorld(job("a"), undoes_faults=False)
    w.tolerates_faults = True
    with pytest.raises(RuntimeError, match="a fault"):
        w.trigger("a")
    w.crash()
    monkeypatch.undo()
    assert w.trigger("a") in w.active_starts


def test_instants_due_before_a_retry_cover_no_older_ones(world, job, monkeypatch):
    """A fault keeps 0:20 undecided; 0:40 and 1:00 fall due before the job is decided again."""
    faults = ["a"]
    original = admission.find_refusal

    def find_refusal(turn, entry, candidate):
        if entry.job.id in faults:
            raise RuntimeError("a fault")
        return original(turn, entry, candidate)

    monkeypatch.setattr(admission, "find_refusal", find_refusal)
    w = world(job("a", every=1 / 3, catch_up="all", overlap="allow", overlap_max=9))
    w.tolerates_faults = True
    w.advance(timedelta(seconds=20))
    faults.clear()
    w.advance(timedelta(seconds=100))
    assert [decision.at - EPOCH for decision in w.decisions] == [timedelta(seconds=20 * n) for n in range(1, 7)]


def test_a_job_may_need_one_that_needs_a_removed_job(world, job):
    w = world(job("a"), Plan(job("b", needs=["a"]).job, {}, JobOrigin.STORE))
    w.engine._state.jobs[JobId("a")].plan = Plan(job("a").job, {}, JobOrigin.CONFIG)
    w.feed(Reconfigure(w.settings, ()))
    w.add(job("c", needs=["b"]))
    assert [entry.job.id for entry in w.engine.jobs()] == ["b", "c"]
    with pytest.raises(InvalidJob, match="does not exist"):
        w.add(job("d", needs=["a"]))


NAMES = ("a", "b", "c", "d", "e")


class NeedsMachine(RuleBasedStateMachine):
    """Random graphs of needs under random requests: none of them is a fault, and each gets an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.world = VirtualWorld(settings=Settings(max_parallel=2))
        self.configured: tuple[Plan, ...] = ()

    def plan(self, name: str, needs: set[str], upstream: set[str], origin: JobOrigin) -> Plan:
        job = Job(id=name, command="work", needs=sorted(needs - {name}), overlap="allow")
        return Plan(job, origin=origin, upstream_jobs=tuple(map(JobId, sorted(upstream - {name}))))

    def request(self, action: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        try:
            action(*args, **kwargs)
        except SchedulerError as error:
            assert not isinstance(error, InternalError)

    graphs = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES), max_size=3), max_size=4)
    few = st.sets(st.sampled_from(NAMES), max_size=3)

    @rule(name=st.sampled_from(NAMES), needs=few, upstream=few, replace=st.booleans())
    def add(self, name: str, needs: set[str], upstream: set[str], replace: bool) -> None:
        self.request(self.world.add, self.plan(name, needs, upstream, JobOrigin.STORE), replace=replace)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.request(self.world.remove, name)

    @rule(graph=graphs)
    def reload(self, graph: dict[str, set[str]]) -> None:
        plans = tuple(self.plan(name, needs, set(), JobOrigin.CONFIG) for name, needs in graph.items())
        step = self.world.feed(Reconfigure(self.world.settings, plans, ask=-1))
        (reply,) = (effect for effect in step.effects if isinstance(effect, Reply))
        if not isinstance(reply.value, SchedulerError):
            self.configured = plans

    @rule(name=st.sampled_from(NAMES), paused=st.booleans())
    def pause_or_resume(self, name: str, paused: bool) -> None:
        self.request(self.world.pause if paused else self.world.resume, name)

    @rule(name=st.sampled_from(NAMES))
    def trigger(self, name: str) -> None:
        self.request(self.world.trigger, name)

    @rule(data=st.data(), exit_code=st.integers(0, 1))
    def end(self, data: st.DataObject, exit_code: int) -> None:
        if self.world.active_starts:
            run = data.draw(st.sampled_from(sorted(self.world.active_starts)))
            self.world.end(run, Result(exit_code=exit_code))

    @rule()
    def crash(self) -> None:
        configured = {plan.job.id: plan for plan in self.configured}
        # The definition of an added job that the configuration replaced is gone from the store.
        stored = {job.id for job in self.world.stored(Job)}
        self.world._plans = {n: p for n, p in self.world._plans.items() if n in stored} | configured
        self.world.crash(alive=list(self.world.active_starts))

    @invariant()
    def what_is_stored_is_what_the_engine_knows(self) -> None:
        stored = {job.id for job in self.world.stored(Job)}
        assert stored == {e.job.id for e in self.world.engine.jobs() if e.plan.origin is JobOrigin.STORE}


TestNeeds = NeedsMachine.TestCase
TestNeeds.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
