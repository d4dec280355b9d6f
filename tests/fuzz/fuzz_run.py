"""A seeded trial: a random world, random things that happen in it, and the engine's promises checked after each.

The same seed gives the same trial, so a seed that fails is a test to keep. `python -m tests.fuzz SEED` plays
one and tells of each step.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from attrs import evolve, frozen
from tests.fuzz.invariants import Invariants, InvariantViolated

from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.engine.runs import loop_detection
from rae_auto.errors import SchedulerError
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.model.policies import Backoff, CatchUp, OnCrash, Overlap, Priority, RetryOn, RetryPolicy
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Disabled, GuardBlocked, GuardsPending, Paused, StartDelayed
from rae_auto.model.run import Result, Run
from rae_auto.simulation.virtual_engine import VirtualWorld
from rae_auto.simulation.virtual_store import Crashed, Faulty, Memory, Values

STEPS = 150
NAMES = "abcdefg"
RESOURCES = ("x", "y")
SECONDS = (1, 5, 30, 60, 61, 200, 1000, 4000)
HOLDING = (Disabled, Paused, StartDelayed, GuardBlocked, GuardsPending)
"""What may keep a run waiting for ever: people, guards, and nobody letting time pass."""


@frozen
class EverySeconds:
    """A schedule for trials: the multiples of so many seconds."""

    seconds: int
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime:
        return datetime.fromtimestamp((int(instant.timestamp()) // self.seconds + 1) * self.seconds, UTC)


@frozen
class EvenHours:
    """A computed guard for trials: lets jobs start in every other hour."""

    def evaluate(self, instant: datetime) -> GuardResult:
        return GuardResult(Verdict.NO if instant.hour % 2 else Verdict.YES, f"it is {instant:%H:%M}")

    def changes_after(self, instant: datetime) -> datetime:
        return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def reading(at: datetime) -> GuardResult:
    """What every guard says that looks at the machine: another thing each minute."""
    return GuardResult((Verdict.YES, Verdict.YES, Verdict.NO, Verdict.UNKNOWN)[at.minute % 4], f"it is {at:%H:%M}")


@frozen
class Failure:
    """A promise that was broken in a trial."""

    seed: int
    step: int
    what: str

    def __str__(self) -> str:
        return f"seed {self.seed}, step {self.step}: {self.what}; play it with 'python -m tests.fuzz {self.seed}'"


class FuzzRun:
    """One seed, played."""

    def __init__(self, seed: int, memory: Memory | None = None, tell: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self._random = Random(seed)
        self._tell = tell or (lambda _: None)
        self._plans: dict[str, Plan] = {}
        self._rounds = 0
        settings = Settings(self._random.randint(1, 4), True, {name: self._random.randint(1, 2) for name in RESOURCES})
        settings = evolve(settings, max_queue=4 + seed % 20)
        self._memory = Faulty(memory or Values())
        self.world = VirtualWorld(settings=settings, memory=self._memory)
        self.world.guards_say = lambda _, __: reading(self.world.now.wall)
        self._promises = Invariants(self.world)

    def play(self, steps: int = STEPS) -> Failure | None:
        """Play so many steps, then let everything end; the first broken promise, if any."""
        number = 0
        try:
            for number in range(1, steps + 1):  # noqa: B007 - the last one is told
                self._step()
                self._promises.check()
            self._end_all()
        except InvariantViolated as broken:
            return Failure(self.seed, number, str(broken))
        except Exception as error:  # whatever else is raised is a bug too
            return Failure(self.seed, number, repr(error))
        return None

    def _step(self) -> None:
        happening = self._random.choices(list(_HAPPENINGS), list(_HAPPENINGS.values()))[0]
        if self._random.random() < 0.06:
            self._plan_a_fault()
        try:
            happening(self)
            # A commit may have taken its time.
            self.world.advance(timedelta(0))
        except Crashed:
            self._tell("  the daemon dies on it")
            self._restart()
        except SchedulerError as error:
            self._tell(f"  refused: {error}")
        self._memory.crash = self.world.effects_until_crash = None

    # What may happen

    def _add(self) -> None:
        plan = self._random_plan(self._random.choice(NAMES))
        self._tell(f"add {plan.job.id} {plan}")
        self._put(plan, lambda: self.world.add(plan, replace=True))

    def _put(self, plan: Plan, put: Callable[[], object]) -> None:
        try:
            put()
        except Crashed as crashed:
            if not crashed.durable:
                raise
            self.world.keep(plan)
            self._watch(plan)
            raise
        self._watch(plan)

    def _watch(self, plan: Plan) -> None:
        self._plans[plan.job.id] = plan
        self._promises.watch(plan)

    def _remove(self) -> None:
        name = self._random.choice(NAMES)
        self._tell(f"remove {name}")
        try:
            self.world.remove(name)
        except Crashed as crashed:
            if crashed.durable:
                self.world.drop(name)
                self._gone(name)
            raise
        self._gone(name)

    def _gone(self, name: str) -> None:
        plan = self._plans.pop(name, None)
        if plan is not None:
            self._promises.forget(plan.job.id)

    def _trigger(self) -> None:
        name, request = self._random.choice(NAMES), f"request-{self._random.randint(0, 40)}"
        self._tell(f"trigger {name} {request}")
        self._promises.acknowledged(self.world.trigger(name, request))

    def _fire(self) -> None:
        name, key = self._random.choice(NAMES), f"event-{self._random.randint(0, 20)}"
        self._tell(f"fire {name} {key}")
        self.world.fire(name, "source", key, feedback_key=self._random.choice([None, "", key]))

    def _feed_itself(self) -> None:
        """What the job does makes its trigger fire, again and again."""
        name, self._rounds = self._random.choice(NAMES), self._rounds + 1
        self._tell(f"{name} feeds itself")
        decided = len(self.world.decisions)
        for number in range(loop_detection.MAX_REPEATS + 2):
            self.world.fire(name, "source", f"round-{self._rounds}-{number}", feedback_key="loop")
            for run in sorted(run for run, start in self.world.in_hand.items() if start.job.id == name):
                self.world.end(run, Result(exit_code=0))
        ran = sum(one.run is not None for one in self.world.decisions[decided:] if one.trigger == "source")
        if ran > loop_detection.MAX_REPEATS + 1:
            raise InvariantViolated(f"{name} goes on feeding itself")

    def _hang(self) -> None:
        self.world.guards_hang = not self.world.guards_hang
        self._tell(f"guards {'hang' if self.world.guards_hang else 'answer'}")
        self.world.answer_guards()

    def _advance(self) -> None:
        seconds = self._random.choice(SECONDS)
        self._tell(f"{seconds} s pass")
        self.world.advance(timedelta(seconds=seconds))

    def _confirm(self) -> None:
        if self.world.in_hand:
            run = self._random.choice(sorted(self.world.in_hand))
            self._tell(f"{run} is in hand")
            self.world.confirm(run)

    def _end(self) -> None:
        if self.world.in_hand:
            run, result = self._random.choice(sorted(self.world.in_hand)), self._random_result()
            self._tell(f"{run} ends with {result.exit_code}")
            start = self.world.in_hand[run]
            try:
                self.world.end(run, result)
            except Crashed as crashed:
                if not crashed.durable:
                    # The executor has its end on record; the next daemon finds it.
                    self.world.in_hand[run] = start
                raise

    def _cancel(self) -> None:
        name = self._random.choice(NAMES)
        self._tell(f"cancel {name}")
        self.world.cancel(job=name)

    def _pause(self) -> None:
        name, paused = self._random.choice(NAMES), self._random.random() < 0.5
        self._tell(f"{'pause' if paused else 'resume'} {name}")
        if paused:
            self.world.pause(name)
        else:
            self.world.resume(name)

    def _reload(self) -> None:
        settings = evolve(self.world.settings, max_parallel=self._random.randint(1, 4))
        if self._active() > settings.max_parallel:
            return  # what runs goes on, which the promise about room doesn't know of
        self._tell(f"reload with max_parallel = {settings.max_parallel}")
        before, self.world.settings = self.world.settings, settings
        try:
            self.world.feed(Reconfigure(settings, ()))
        except Crashed as crashed:
            if not crashed.durable:
                self.world.settings = before
            raise

    def _sleep(self) -> None:
        hours = self._random.choice([1, 5, 30])
        self._tell(f"the machine sleeps for {hours} h")
        self.world.sleep(timedelta(hours=hours))

    def _set_clock(self) -> None:
        seconds = self._random.choice([-20_000, -5000, -600, -3, 2, 600, 5000, 20_000])
        self._tell(f"the clock is set by {seconds} s")
        self.world.set_clock(timedelta(seconds=seconds))

    def _crash(self) -> None:
        self._tell("the daemon is killed")
        self._restart()

    # Faults

    def _plan_a_fault(self) -> None:
        match self._random.randint(0, 3):
            case 0:
                self._memory.errors = self._random.randint(1, 5)
            case 1:
                self._memory.crash = "before"
            case 2:
                self._memory.crash = "after"
            case 3:
                self.world.effects_until_crash = self._random.randint(0, 2)

    def _unbegun(self) -> set[RunId]:
        """Runs whose start no executor has heard of; in every other trial executors can tell."""
        open_runs = self.world.kept(Run) if self.seed % 2 else ()
        return {run.id for run in open_runs if run.state.active and run.id not in self.world.in_hand}

    def _restart(self) -> None:
        """A new daemon; of what was in hand some goes on, some has ended, of some nothing is known."""
        self._memory.crash, self._memory.errors, self.world.effects_until_crash = None, 0, None
        alive, ended = set(), {}
        for run in sorted(self.world.in_hand):
            match self._random.randint(0, 2):
                case 0:
                    alive.add(run)
                case 1:
                    ended[run] = self._random_result()
        down = timedelta(seconds=self._random.choice([0, 1, 30, 300, 90_000]))
        self._tell(f"  back after {down}; alive: {sorted(alive)}, ended: {sorted(ended)}")
        self._promises.crashed()
        self.world.crash(alive=alive, ended=ended, unbegun=self._unbegun(), down=down)
        self._promises.restarted()

    # The end

    def _end_all(self) -> None:
        """Liveness: when all is let go, nothing stays open but what somebody holds back."""
        self._tell("the end")
        self.world.guards_hang = False
        self.world.answer_guards()
        for name in sorted(self._plans):
            self.world.resume(name)
        for _ in range(2000):
            if not self.world.in_hand:
                break
            self.world.end(sorted(self.world.in_hand)[0])
        for opened in self.world.engine.runs():
            waiting = self.world.engine.waiting_for(opened.run.id)
            blocked_by = {o.run.job for o in self.world.engine.runs() if o is not opened}
            if waiting is None:
                raise InvariantViolated(f"{opened.run.id} stays {opened.run.state}, with nobody at work on it")
            if not isinstance(waiting, HOLDING) and not blocked_by & {opened.run.job, *opened.job.needs}:
                raise InvariantViolated(f"{opened.run.id} waits for ever: {waiting.text}")
        self._promises.check()

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
            enabled=self._random.random() < 0.9,
            needs=needs,
            guards=[GuardRef("guard", {}, guard) for guard in guards],
            guard_timeout=pick(["0s", "0s", "20m"]),
            resources=[resource for resource in RESOURCES if self._random.random() < 0.2],
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

    def _random_result(self) -> Result:
        return Result(exit_code=self._random.choice([0, 0, 0, 1]))

    def _active(self) -> int:
        return sum(opened.run.state.active for opened in self.world.engine.runs())


_GUARDS: Mapping[str, EvenHours | None] = {"hours": EvenHours(), "power": None, "idle": None}

_HAPPENINGS: dict[Callable[[FuzzRun], None], int] = {
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
    FuzzRun._reload: 2,
    FuzzRun._sleep: 1,
    FuzzRun._set_clock: 2,
    FuzzRun._crash: 4,
}
"""What may happen, and how often."""


def failures(seeds: Sequence[int], steps: int = STEPS) -> list[Failure]:
    """What breaks in the trials of these seeds."""
    return [failure for seed in seeds if (failure := FuzzRun(seed).play(steps)) is not None]
