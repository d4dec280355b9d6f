"""Two daemons with one store, played: real engines, a server with a claim, and messages that take their time.

Everything is a message with a random delay: a commit to the server, its answer, a renewal, what a node reports. Daemons
are killed, stopped and woken at random, and the server restarts and drops what is under way. The same seed gives the
same play; `python -m tests.fuzz.two_daemons 1-500` plays many.

What is modelled is the protocol of `rae_auto.api.shared_store`: a commit is accepted only with the token of the latest
claim, effects are carried out after the answer, an attempt is settled by its own node, or by another one once that
node's daemon is gone. What must hold, whatever happens:

1. No attempt starts twice, and no two attempts of a run live at the same time.
2. Each instant of a schedule leads to one run at most, and to a run or a decision once all is quiet.
3. In the end no run is open, and each has the result that its attempt had.
"""

import heapq
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from attrs import define, field, frozen
from tests.fuzz.plugins import EverySeconds

from rae_auto.engine.effects import Cancel, Change, Record, Start, Step
from rae_auto.engine.engine import Engine, EngineInput
from rae_auto.engine.events import AttemptEnded, AttemptFound, AttemptStarted, Restored, TimePassed
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.policies import CatchUp, OnCrash, Overlap
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Result, Run, RunState
from rae_auto.simulation.virtual_store import ValueStore

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
LEASE = 3.0
RENEWAL = 1.0
FAULT_SECONDS = 120.0
"""Time in which faults happen; after that everything heals."""
QUIET_SECONDS = 90.0

Key = tuple[str, int]


class ProtocolBroken(AssertionError):
    """A promise that a play broke."""


@frozen
class ForAWhile(EverySeconds):
    """A schedule that ends, so that all can come to an end."""

    def next_after(self, instant: datetime) -> datetime | None:  # type: ignore[override]
        found = super().next_after(instant)
        return found if found < START + timedelta(seconds=FAULT_SECONDS + 30) else None


@define
class Process:
    """An attempt as the kernel sees it: on which node, until when, and with which exit code."""

    node: str
    ends_at: float
    code: int
    is_over: bool = False


@define(eq=False)
class Daemon:
    """A node and its daemon, if there is one."""

    name: str
    is_alive: bool = False
    is_stopped: bool = False
    life: int = 0
    """Counts its processes: what belongs to an earlier one is dropped."""
    token: int | None = None
    engine: Engine | None = None
    inbox: list[EngineInput] = field(factory=list)
    pending: Sequence[Step] | None = None
    """The steps whose commit has not been answered."""
    postponed: list[Callable[[], None]] = field(factory=list)
    """Calls that come in while it is stopped."""
    waits_for: dict[str, list[Run]] = field(factory=dict)
    """Attempts of other nodes that nothing is known of."""


class TwoDaemons:
    """One seed, played."""

    def __init__(self, seed: int, *, believes_in_death: bool = False, checks_tokens: bool = True) -> None:
        """`believes_in_death` and `checks_tokens=False` are mistakes, by which the play proves that it finds them."""
        self._random, self._now, self._count = Random(seed), 0.0, 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._believes_in_death, self._checks_tokens = believes_in_death, checks_tokens
        self._store, self._token, self._lease_until, self._holder = ValueStore(), 0, 0.0, ""
        self._history: list[Run] = []
        self._decisions: list[Decision] = []
        self._mail: list[tuple[str, AttemptEnded | AttemptFound]] = []
        self._processes: dict[Key, Process] = {}
        self._daemons = [Daemon("a"), Daemon("b")]
        crash, late = (
            self._random.choice([OnCrash.RERUN, OnCrash.FAIL]),
            CatchUp(self._random.choice(["all", "latest"])),
        )
        overlap = self._random.choice([Overlap.ALLOW, Overlap.SKIP, Overlap.QUEUE])
        common = {"command": "true", "overlap": overlap, "on_crash": crash, "catch_up": late}
        self._plans = tuple(
            Plan(Job(id=JobId(name), **common), {"every": ForAWhile(seconds)}, JobOrigin.CONFIG)
            for name, seconds in (("x", self._random.randint(2, 9)), ("y", self._random.randint(5, 30)))
        )

    # Time and messages

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self._now + seconds, self._count, call))

    def _delay(self) -> float:
        return self._random.choice([0.001, 0.01, 0.05, 0.3, 1.5])

    def _to(self, daemon: Daemon, call: Callable[[], None]) -> None:
        """Have a daemon do something after a delay, unless it is another process by then."""
        life = daemon.life

        def arrive() -> None:
            if not daemon.is_alive or daemon.life != life:
                return
            if daemon.is_stopped:
                daemon.postponed.append(arrive)
            else:
                call()

        self._later(self._delay(), arrive)

    def _moment(self) -> Moment:
        return Moment(START + timedelta(seconds=self._now), self._now, 0.0, "boot")

    def play(self) -> None:
        """Play it. Raises ProtocolBroken."""
        for daemon in self._daemons:
            self._begin(daemon)
        at = 0.0
        while at < FAULT_SECONDS:
            at += self._random.uniform(0.5, 8)
            self._later(at, self._harm)
        self._later(FAULT_SECONDS + 8, self._heal)
        while self._queue and self._now < FAULT_SECONDS + 30 + QUIET_SECONDS:
            self._now, _, call = heapq.heappop(self._queue)
            call()
        self._judge()

    # Faults

    def _harm(self) -> None:
        daemon = self._random.choice(self._daemons)
        what = self._random.choice(["kill", "kill", "stop", "stop", "drop"])
        if what == "kill" and daemon.is_alive:
            self._kill(daemon)
            self._later(self._random.choice([0.5, 2, 10]), lambda: self._begin(daemon))
        elif what == "stop" and daemon.is_alive and not daemon.is_stopped:
            daemon.is_stopped = True
            self._later(self._random.choice([0.5, 2, 4, 9]), lambda: self._wake(daemon))
        elif what == "drop":
            # The server restarts: whatever is under way to it or from it is lost, unless it has been done already.
            kept = [one for one in self._queue if self._random.random() < 0.7 or one[2].__name__ != "at_server"]
            heapq.heapify(kept)
            self._queue = kept

    def _kill(self, daemon: Daemon) -> None:
        daemon.is_alive = daemon.is_stopped = False
        daemon.life += 1
        self._forget(daemon)

    def _forget(self, daemon: Daemon) -> None:
        daemon.engine = daemon.token = daemon.pending = None
        daemon.inbox, daemon.postponed, daemon.waits_for = [], [], {}

    def _wake(self, daemon: Daemon) -> None:
        if daemon.is_stopped:
            daemon.is_stopped = False
            postponed, daemon.postponed = daemon.postponed, []
            for call in postponed:
                call()

    def _heal(self) -> None:
        for daemon in self._daemons:
            self._wake(daemon)
            self._begin(daemon)

    # A daemon

    def _begin(self, daemon: Daemon) -> None:
        if daemon.is_alive:
            return
        daemon.is_alive, daemon.life = True, daemon.life + 1
        self._stand_by(daemon)

    def _stand_by(self, daemon: Daemon) -> None:
        """Report on the attempts that the node has, and ask for the claim."""
        life = daemon.life
        self._to(daemon, lambda: self._tend(daemon, life))
        self._ask_for_claim(daemon, life)

    def _tend(self, daemon: Daemon, life: int) -> None:
        if daemon.token is not None or daemon.life != life:
            return
        for run in () if daemon.is_stopped else self._store.load(Run):
            if run.state.active and run.node == daemon.name:
                self._mail.append((daemon.name, self._find(run)))
        self._later(1.0, lambda: self._tend(daemon, life))

    def _ask_for_claim(self, daemon: Daemon, life: int) -> None:
        """Ask twice a second, as if told when the lease runs out; whatever gets lost on the way is asked again."""

        def at_server() -> None:
            if self._now >= self._lease_until:
                self._token, self._holder, self._lease_until = self._token + 1, daemon.name, self._now + LEASE
                token, runs = self._token, self._store.load(Run)
                self._to(daemon, lambda: self._lead(daemon, token, runs))

        if daemon.is_alive and daemon.life == life and daemon.token is None:
            if not daemon.is_stopped:
                self._later(self._delay(), at_server)
            self._later(0.5, lambda: self._ask_for_claim(daemon, life))

    def _lead(self, daemon: Daemon, token: int, runs: Sequence[Run]) -> None:
        if daemon.token is not None:
            return
        if token != self._token and self._checks_tokens:
            return
        daemon.token, daemon.engine = token, Engine()
        settings = Settings(max_parallel=4, node=daemon.name)
        states, seen = self._store.load(JobState), self._store.load(SeenOccurrence)
        daemon.inbox.append(Restored(settings, self._plans, states, tuple(runs), seen))
        for run in runs:
            if run.state.active and run.node == daemon.name:
                daemon.inbox.append(self._find(run))
            elif run.state.active:
                daemon.waits_for.setdefault(run.node, []).append(run)
        self._renew(daemon, token)
        self._turn(daemon, token)

    def _find(self, run: Run) -> AttemptEnded | AttemptFound:
        """Return what the executor of the run's node finds, in its records or among its processes."""
        process = self._processes.get((run.id, run.attempt))
        if process is None:
            # From now on it can't start any more.
            self._processes[run.id, run.attempt] = Process(run.node, 0.0, -1, is_over=True)
            return AttemptFound(run.id, run.attempt, started=False)
        if process.code == -1:
            return AttemptFound(run.id, run.attempt, started=False)
        if process.is_over:
            return AttemptEnded(run.id, run.attempt, Result(exit_code=process.code))
        return AttemptFound(run.id, run.attempt, {"pid": 1})

    def _renew(self, daemon: Daemon, token: int) -> None:
        def at_server() -> None:
            if self._token == token:
                self._lease_until = self._now + LEASE
            else:
                self._to(daemon, lambda: self._lose(daemon, token))

        def again() -> None:
            if daemon.is_alive and daemon.token == token:
                if not daemon.is_stopped:
                    self._later(self._delay(), at_server)
                self._later(RENEWAL, again)

        again()

    def _lose(self, daemon: Daemon, token: int) -> None:
        if daemon.token == token:
            # The process starts again in its own place: whatever it had in mind is gone.
            daemon.life += 1
            self._forget(daemon)
            self._stand_by(daemon)

    def _turn(self, daemon: Daemon, token: int) -> None:
        """Take a turn of the engine loop, and come back."""
        if daemon.token != token or not daemon.is_alive:
            return
        self._later(0.2, lambda: self._turn(daemon, token))
        if daemon.is_stopped or daemon.pending is not None:
            return
        engine = daemon.engine
        assert engine is not None
        self._look_elsewhere(daemon)
        now, inbox, daemon.inbox = self._moment(), daemon.inbox, []
        steps = [engine.handle(one, now) for one in inbox]
        if engine.next_wake(now) == 0:
            steps.append(engine.handle(TimePassed(), now))
        changes = [change for step in steps for change in step.changes]
        if not changes and not any(step.effects for step in steps):
            return
        daemon.pending = steps
        self._commit(daemon, token, changes, steps)

    def _look_elsewhere(self, daemon: Daemon) -> None:
        assert daemon.engine is not None
        mail, self._mail = self._mail, []
        for sender, event in mail:
            entry = daemon.engine.run(event.run)
            if entry is not None and entry.run.node == sender and entry.run.attempt == event.attempt:
                daemon.inbox.append(event)
        for node, runs in daemon.waits_for.items():
            other = next(one for one in self._daemons if one.name == node)
            if self._believes_in_death:
                daemon.inbox += [AttemptFound(run.id, run.attempt, started=False) for run in runs]
                daemon.waits_for[node] = []
            elif not other.is_alive:
                # Its lock is free, so its records may be read here. Those that run are looked at again.
                found = [self._find(run) for run in runs]
                daemon.inbox += found
                alive = {one.run for one in found if isinstance(one, AttemptFound) and one.handle is not None}
                daemon.waits_for[node] = [run for run in runs if run.id in alive]

    def _commit(self, daemon: Daemon, token: int, changes: Sequence[Change], steps: Sequence[Step]) -> None:
        def at_server() -> None:
            if token != self._token and self._checks_tokens:
                self._to(daemon, lambda: self._lose(daemon, token))
                return
            if changes:
                self._lease_until = max(self._lease_until, self._now + LEASE)
                self._apply(changes)
            self._to(daemon, answer)

        def answer() -> None:
            if daemon.token == token and daemon.pending is steps:
                daemon.pending = None
                for step in steps:
                    self._perform(daemon, step)

        life = daemon.life
        self._later(self._delay(), at_server)
        # One whose answer is lost is repeated, which changes nothing.
        self._later(6.0, lambda: self._repeat(daemon, life, token, changes, steps))

    def _repeat(self, daemon: Daemon, life: int, token: int, changes: Sequence[Change], steps: Sequence[Step]) -> None:
        if daemon.life == life and daemon.token == token and daemon.pending is steps:
            self._commit(daemon, token, changes, steps)

    def _apply(self, changes: Sequence[Change]) -> None:
        self._store.commit(changes)
        for change in changes:
            if isinstance(change, Record) and isinstance(change.value, Run):
                self._history = [run for run in self._history if run.id != change.value.id] + [change.value]
            elif isinstance(change, Record):
                self._decisions.append(change.value)

    def _perform(self, daemon: Daemon, step: Step) -> None:
        for effect in step.effects:
            if isinstance(effect, Start):
                self._spawn(daemon, effect.run)
            elif isinstance(effect, Cancel) and (process := self._processes.get((effect.run, effect.attempt))):
                process.ends_at = min(process.ends_at, self._now)

    def _spawn(self, daemon: Daemon, run: Run) -> None:
        key = (run.id, run.attempt)
        if key in self._processes:
            if self._processes[key].code != -1:
                raise ProtocolBroken(f"attempt {key} starts twice")
            return  # Who looked for it first has seen to it that it can't start.
        living = [one for one, process in self._processes.items() if one[0] == run.id and not process.is_over]
        if living:
            raise ProtocolBroken(f"attempt {key} starts while {living} lives")
        ends_at = self._now + self._random.choice([0.1, 1, 5, 20])
        process = self._processes[key] = Process(daemon.name, ends_at, self._random.choice([0, 0, 3]))
        daemon.inbox.append(AttemptStarted(run.id, run.attempt, {"pid": 1}))
        self._later(ends_at - self._now, lambda: self._end(run, process))

    def _end(self, run: Run, process: Process) -> None:
        process.is_over = True
        daemon = next(one for one in self._daemons if one.name == process.node)
        if daemon.is_alive and daemon.engine is not None:
            daemon.inbox.append(AttemptEnded(run.id, run.attempt, Result(exit_code=process.code)))

    # The end

    def _judge(self) -> None:
        if left := self._store.load(Run):
            raise ProtocolBroken(f"runs are stuck: {[(run.id, run.state, run.node) for run in left]}")
        identities = Counter((run.job, run.trigger, run.key) for run in self._history)
        if doubled := [one for one, count in identities.items() if count > 1]:
            raise ProtocolBroken(f"decided twice: {doubled}")
        decided = set(identities) | {(one.job, one.trigger, one.key) for one in self._decisions}
        for plan in self._plans:
            keys = sorted(key for job, _, key in decided if job == plan.job.id)
            if len(keys) < 2:
                raise ProtocolBroken(f"{plan.job.id} has hardly ever been decided: {keys}")
        for run in self._history:
            process = self._processes.get((run.id, run.attempt))
            if run.state in (RunState.SUCCEEDED, RunState.FAILED) and process is not None and process.code != -1:
                if (run.exit_code or 0) != process.code:
                    raise ProtocolBroken(f"{run.id} has exit code {run.exit_code}, not {process.code}")
            elif run.state is RunState.LOST and process is not None and process.is_over and process.code != -1:
                raise ProtocolBroken(f"{run.id} counts as lost, although its end is on record")


def failures(seeds: Sequence[int], **mistakes: bool) -> list[str]:
    """Play seeds; return what broke, a line each."""
    found = []
    for seed in seeds:
        try:
            TwoDaemons(seed, **mistakes).play()
        except ProtocolBroken as broken:
            found.append(f"seed {seed}: {broken}")
    return found


def main(arguments: list[str]) -> int:
    """Play a range of seeds, as "1-500"."""
    first, _, last = arguments[0].partition("-")
    found = failures(range(int(first), int(last or first) + 1))
    for line in found:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(found)} seeds failed\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
