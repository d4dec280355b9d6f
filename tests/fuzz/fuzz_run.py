"""A fuzz run: a random world from a seed, random inputs to it, and the engine's invariants checked after each.

The same seed gives the same trial, so a seed that fails is a test to keep. `python -m tests.fuzz SEED` plays
one and tells of each step.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from random import Random

from attrs import evolve
from tests.fuzz.invariants import Failure, Invariants, InvariantViolated
from tests.fuzz.notices import RULES
from tests.fuzz.plugins import EvenHours, EverySeconds, reading

from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.effects import Change, Discard, Record, Save
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.engine.runs import loop_detection
from rae_auto.errors import SchedulerError
from rae_auto.model.documents import document_key
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.model.policies import Backoff, CatchUp, OnCrash, Overlap, Priority, RetryOn, RetryPolicy
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import (
    Disabled,
    GuardBlocked,
    GuardsPending,
    NeedFailed,
    NeedNeverRan,
    Paused,
    ResourceTooSmall,
    RetryDelayed,
    StartDelayed,
)
from rae_auto.model.run import QueuePlace, Result, Run, RunState
from rae_auto.simulation.virtual_engine import VirtualWorld
from rae_auto.simulation.virtual_store import FaultyStore, ValueStore, VirtualCrash, VirtualStore

STEPS = 150
NAMES = "abcdefg"
RESOURCES = ("x", "y")
SECONDS = (1, 5, 30, 60, 61, 200, 1000, 4000)
HOLDING = (
    Disabled,
    Paused,
    NeedFailed,
    NeedNeverRan,
    StartDelayed,
    RetryDelayed,
    GuardBlocked,
    GuardsPending,
    ResourceTooSmall,
)
"""Reasons for which a run may wait for ever: people, guards, and time that does not pass."""


class FuzzRun:
    """One seed, played."""

    def __init__(self, seed: int, store: VirtualStore | None = None, log: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self._random, self._random_expectations = Random(seed), Random(f"expectations {seed}")
        self._log = log or (lambda _: None)
        self._plans: dict[str, Plan] = {}
        self._loops = 0
        settings = Settings(self._random.randint(1, 4), True, {name: self._random.randint(1, 2) for name in RESOURCES})
        settings = evolve(settings, max_queue=4 + seed % 20)
        self._values = store or ValueStore()
        self._store = FaultyStore(self._values)
        self._copy: tuple[ValueStore, int, int] | None = None
        """A copy of the store, and how many runs and decisions were on record then."""
        self.world = VirtualWorld(settings=settings, store=self._store)
        self.world.answer_guard = lambda _, __: reading(self.world.now.wall)
        self._invariants = Invariants(self.world)

    def play(self, steps: int = STEPS) -> Failure | None:
        """Play so many steps, then let everything end; the first broken promise, if any."""
        number = 0
        try:
            for number in range(1, steps + 1):  # noqa: B007 - the last one is told
                self._step()
                self._invariants.check()
            self._end_all()
        except InvariantViolated as failures_found:
            return Failure(self.seed, number, str(failures_found))
        except Exception as error:  # whatever else is raised is a bug too
            return Failure(self.seed, number, repr(error))
        return None

    def _step(self) -> None:
        step = self._random.choices(list(_STEPS), list(_STEPS.values()))[0]
        if self._random.random() < 0.06:
            self._plan_a_fault()
        try:
            step(self)
            # A commit may have taken its time.
            self.world.advance(timedelta(0))
        except VirtualCrash:
            self._log("  the daemon dies on it")
            self._restart()
        except SchedulerError as error:
            self._log(f"  refused: {error}")
        self._store.crash = self.world.effects_until_crash = None

    # What may happen

    def _add(self) -> None:
        plan = self._random_plan(self._random.choice(NAMES))
        self._log(f"add {plan.job.id} {plan}")
        self._put(plan, lambda: self.world.add(plan, replace=True))

    def _put(self, plan: Plan, put: Callable[[], object]) -> None:
        try:
            put()
        except VirtualCrash as crashed:
            # The daemon may also die on the answer to a request that it refused.
            if not crashed.durable or plan.job not in self.world.stored(Job):
                raise
            self.world.put_plan(plan)
            self._watch(plan)
            raise
        self._watch(plan)

    def _watch(self, plan: Plan) -> None:
        self._plans[plan.job.id] = plan
        self._invariants.watch(plan)

    def _remove(self) -> None:
        name = self._random.choice(NAMES)
        self._log(f"remove {name}")
        try:
            self.world.remove(name)
        except VirtualCrash as crashed:
            if crashed.durable:
                self.world.drop_plan(name)
                self._drop_plan(name)
            raise
        self._drop_plan(name)

    def _drop_plan(self, name: str) -> None:
        plan = self._plans.pop(name, None)
        if plan is not None:
            self._invariants.forget(plan.job.id)

    def _trigger(self) -> None:
        name, request = self._random.choice(NAMES), f"request-{self._random.randint(0, 40)}"
        self._log(f"trigger {name} {request}")
        self._invariants.acknowledge(self.world.trigger(name, request))

    def _fire(self) -> None:
        name, key = self._random.choice(NAMES), f"event-{self._random.randint(0, 20)}"
        self._log(f"fire {name} {key}")
        self.world.fire(name, "source", key, feedback_key=self._random.choice([None, "", key]))

    def _feed_itself(self) -> None:
        """Fire a trigger again and again, as a job does that causes its own trigger."""
        name, self._loops = self._random.choice(NAMES), self._loops + 1
        self._log(f"{name} feeds itself")
        decided = len(self.world.decisions)
        for number in range(loop_detection.MAX_REPEATS + 2):
            self.world.fire(name, "source", f"round-{self._loops}-{number}", feedback_key="loop")
            for run in sorted(run for run, start in self.world.active_starts.items() if start.job.id == name):
                self.world.end(run, Result(exit_code=0))
        ran = sum(one.run is not None for one in self.world.decisions[decided:] if one.trigger == "source")
        if ran > loop_detection.MAX_REPEATS + 1:
            raise InvariantViolated(f"{name} goes on feeding itself")

    def _hang(self) -> None:
        self.world.guards_hang = not self.world.guards_hang
        self._log(f"guards {'hang' if self.world.guards_hang else 'answer'}")
        self.world.answer_guards()

    def _advance(self) -> None:
        seconds = self._random.choice(SECONDS)
        self._log(f"{seconds} s pass")
        self.world.advance(timedelta(seconds=seconds))

    def _confirm(self) -> None:
        if not self.world.active_starts:
            return
        run = self._random.choice(sorted(self.world.active_starts))
        if (entry := self.world.engine.run(run)) is not None and entry.is_in_queue:
            self._log(f"{run} leaves a queue elsewhere")
            self.world.dequeue(run, ago=timedelta(seconds=self.world.now.wall.second))
            return
        is_queued = self.world.now.wall.second % 2 == 1  # not drawn, so that each seed goes on as it did
        self._log(f"{run} is {'queued elsewhere' if is_queued else 'started'}")
        self.world.confirm(
            run, queue=QueuePlace("a cluster", "a worker", may_have_started=bool(len(run) % 2)) if is_queued else None
        )

    def _end(self) -> None:
        if self.world.active_starts:
            run, result = self._random.choice(sorted(self.world.active_starts)), self._random_result()
            self._log(f"{run} ends with {result.exit_code}")
            start = self.world.active_starts[run]
            try:
                self.world.end(run, result)
            except VirtualCrash as crashed:
                if not crashed.durable:
                    # The executor has its end on record; the next daemon finds it.
                    self.world.active_starts[run] = start
                raise

    def _cancel(self) -> None:
        name = self._random.choice(NAMES)
        self._log(f"cancel {name}")
        self.world.cancel(job=name)

    def _pause(self) -> None:
        name, chance = self._random.choice(NAMES), self._random.random()
        if chance < 0.3:
            self._log(f"pause {name}")
            self.world.pause(name)
        elif chance < 0.6:
            until = self.world.now.wall + timedelta(seconds=self._random.randint(-60, 2 * 3600))
            self._log(f"pause {name} until {until}")
            # From then on it may go on by itself, whatever it was paused for before.
            self._invariants.resumed(JobId(name))
            self.world.pause(name, until=until)
        else:
            self._log(f"resume {name}")
            self._resume(name)

    def _skip(self) -> None:
        name, undo = self._random.choice(NAMES), self._random.random() < 0.2
        self._log(f"{'take back the skip of' if undo else 'skip'} {name}")
        at = self.world.skip(name, undo=undo)
        self._invariants.skipped(JobId(name), at, is_taken_back=undo)

    def _resume(self, name: str) -> None:
        # Whether or not the answer comes, it may be resumed.
        self._invariants.resumed(JobId(name))
        self.world.resume(name)

    def _reload(self) -> None:
        resources = {name: self._random.randint(1, 2) for name in RESOURCES}
        settings = evolve(self.world.settings, max_parallel=self._random.randint(1, 4), resources=resources)
        if self._active() > settings.max_parallel:
            return  # what runs goes on, which the promise about room doesn't know of
        self._log(f"reload with max_parallel = {settings.max_parallel}, {resources}")
        before, self.world.settings = self.world.settings, settings
        try:
            self.world.feed(Reconfigure(settings, ()))
        except VirtualCrash as crashed:
            if not crashed.durable:
                self.world.settings = before
            raise

    def _sleep(self) -> None:
        hours = self._random.choice([1, 5, 30])
        self._log(f"the machine sleeps for {hours} h")
        self.world.sleep(timedelta(hours=hours))

    def _set_clock(self) -> None:
        seconds = self._random.choice([-20_000, -5000, -600, -3, 2, 600, 5000, 20_000])
        self._log(f"the clock is set by {seconds} s")
        if seconds < 0:
            self._invariants.clock_was_set_back()
        self.world.set_clock(timedelta(seconds=seconds))

    def _crash(self) -> None:
        half_a_second = timedelta(milliseconds=500)
        # Not drawn, so that each seed goes on as it did.
        if self.world.now.wall.second % 3 == 0 and self.world.decide_ahead_in_vain(half_a_second):
            self._log("what is due next is decided ahead")
        self._log("the daemon is killed")
        self._restart()

    def _copy_store(self) -> None:
        if isinstance(self._values, ValueStore):
            self._log("the store is copied")
            self._copy = self._values.copy(), len(self.world.history), len(self.world.decisions)

    def _revert_store(self) -> None:
        """The store is damaged, and the next daemon finds an older state of it."""
        if self._copy is None:
            return
        copy, runs, decisions = self._copy
        self._copy = None
        self._log("the store goes back to its copy")
        self._values = copy
        self._store.replace(copy)
        del self.world.history[runs:], self.world.decisions[decisions:]
        kept = {run.id for run in self.world.stored(Run)}
        self.world.active_starts = {run: start for run, start in self.world.active_starts.items() if run in kept}
        self._invariants.reverted()
        self._restart(reverts=True)

    def _damage_document(self) -> None:
        """A document of the store can't be read at the next start, which sets it aside as `runtime.recovery` does."""
        damaged = sorted([*self.world.stored(Run), *self.world.stored(JobState)], key=document_key)
        if not damaged:
            return
        value = self._random.choice(damaged)
        self._log(f"{document_key(value)} is damaged")
        paused = JobState(value.job, paused=True)
        changes: list[Change] = [Discard(value), Save(paused)]
        if isinstance(value, Run):
            lost = evolve(value, state=RunState.LOST, finished_at=self.world.now.wall, handle=None, stopping=None)
            state = next((one for one in self.world.stored(JobState) if one.job == value.job), paused)
            changes = [Discard(value), Record(lost), Save(evolve(state, paused=True, paused_until=None))]
            self.world.history.append(lost)
            self.world.active_starts.pop(value.id, None)
        self._store.crash, self._store.errors = None, 0
        self._store.commit(changes)
        self._invariants.damaged(value.job, value.id if isinstance(value, Run) else None)
        self._restart()
        if isinstance(value, JobState):
            self._invariants.begin_schedules_again(value.job)

    def _plan_a_fault(self) -> None:
        match self._random.randint(0, 3):
            case 0:
                self._store.errors = self._random.randint(1, 5)
            case 1 | 2 as number:
                self._store.crash = ("before", "after")[number - 1]
            case _:
                self.world.effects_until_crash = self._random.randint(0, 2)

    def _never_started(self) -> set[RunId]:
        """Runs with a start that reached no executor; in every other trial executors can prove that."""
        open_runs = self.world.stored(Run) if self.seed % 2 else ()
        return {run.id for run in open_runs if run.state.active and run.id not in self.world.active_starts}

    def _restart(self, *, reverts: bool = False) -> None:
        """A new daemon; of the active attempts some go on, some have ended, and some are unknown."""
        self._store.crash, self._store.errors, self.world.effects_until_crash = None, 0, None
        alive, ended = set(), {}
        for run in sorted(self.world.active_starts):
            match self._random.randint(0, 2):
                case 0:
                    alive.add(run)
                case 1:
                    ended[run] = self._random_result()
        down = timedelta(seconds=self._random.choice([0, 1, 30, 300, 90_000]))
        self._log(f"  back after {down}; alive: {sorted(alive)}, ended: {sorted(ended)}")
        self._invariants.crashed()
        self.world.crash(alive=alive, ended=ended, never_started=self._never_started(), down=down, reverts=reverts)
        self._invariants.restarted()
        if reverts:
            self._invariants.begin_schedules_again()

    # The end

    def _end_all(self) -> None:
        """Liveness: once everything may end, only runs that are blocked on purpose stay open."""
        self._log("the end")
        self.world.guards_hang = False
        self.world.answer_guards()
        for name in sorted(self._plans):
            self._resume(name)
        for _ in range(2000):
            if not self.world.active_starts:
                break
            self.world.end(sorted(self.world.active_starts)[0])
        for opened in self.world.engine.runs():
            waiting = self.world.engine.waiting_for(opened.run.id)
            blocked_by = {o.run.job for o in self.world.engine.runs() if o is not opened}
            if waiting is None:
                raise InvariantViolated(f"{opened.run.id} stays {opened.run.state}, and nothing works on it")
            if not isinstance(waiting, HOLDING) and not blocked_by & {opened.run.job, *opened.job.needs}:
                raise InvariantViolated(f"{opened.run.id} waits for ever: {waiting.text}")
        self._invariants.check()

    # Chance

    def _random_plan(self, name: str) -> Plan:
        pick = self._random.choice
        # Needs point to earlier names, so that most of them are no circle.
        needs = [other for other in NAMES[: NAMES.index(name)] if other in self._plans and self._random.random() < 0.2]
        guards = {guard: computed for guard, computed in _GUARDS.items() if self._random.random() < 0.1}
        job = Job(
            id=JobId(name),
            command="work",
            overlap=pick(list(Overlap)),
            overlap_max=self._random.randint(1, 3),
            priority=pick(list(Priority)),
            catch_up=pick(list(CatchUp)),
            catch_up_window=pick(["10m", "1d"]),
            on_crash=pick([None, *OnCrash]),
            timeout=pick([None, "3m"]),
            expect=self._random_expectation(),
            notify=RULES,
            enabled=self._random.random() < 0.9,
            needs=needs,
            guards=[GuardRef("guard", {}, guard) for guard in guards],
            guard_timeout=pick(["0s", "0s", "20m"]),
            resources={name: self._random.randint(1, 2) for name in RESOURCES if self._random.random() < 0.3},
            retry_policy=RetryPolicy(
                attempts=self._random.randint(1, 3),
                delay=pick(["1s", "90s"]),
                backoff=pick(list(Backoff)),
                on=pick([(RetryOn.FAILURE,), tuple(RetryOn)]),
            ),
        )
        schedules = {
            trigger: EverySeconds(pick([60, 120, 420, 3600]), timedelta(seconds=pick([0, 0, 20])))
            for trigger in ("t", "u")
            if self._random.random() < 0.5
        }
        return Plan(job, schedules, JobOrigin.STORE, guards)

    def _random_expectation(self) -> ExpectPolicy:
        pick = self._random_expectations.choice  # Of its own, so that the seeds of before play as they did.
        return ExpectPolicy(every=pick([None, "10m", "1h"]), max_runtime=pick([None, "2m"]))

    def _random_result(self) -> Result:
        return Result(exit_code=self._random.choice([0, 0, 0, 1]))

    def _active(self) -> int:
        return sum(opened.run.state.active for opened in self.world.engine.runs())


_GUARDS: Mapping[str, EvenHours | None] = {"hours": EvenHours(), "power": None, "idle": None}

_STEPS: dict[Callable[[FuzzRun], None], int] = {
    FuzzRun._add: 8,
    FuzzRun._remove: 1,
    FuzzRun._trigger: 12,
    FuzzRun._fire: 8,
    FuzzRun._feed_itself: 1,
    FuzzRun._hang: 1,
    FuzzRun._advance: 24,
    FuzzRun._confirm: 10,
    FuzzRun._end: 24,
    FuzzRun._cancel: 3,
    FuzzRun._pause: 4,
    FuzzRun._skip: 3,
    FuzzRun._reload: 2,
    FuzzRun._sleep: 1,
    FuzzRun._set_clock: 2,
    FuzzRun._crash: 4,
    FuzzRun._copy_store: 2,
    FuzzRun._revert_store: 1,
    FuzzRun._damage_document: 1,
}
"""Steps of a fuzz run, with their weights."""


def failures(seeds: Sequence[int], steps: int = STEPS) -> list[Failure]:
    """Return the failures of these seeds."""
    return [failure for seed in seeds if (failure := FuzzRun(seed).play(steps)) is not None]
