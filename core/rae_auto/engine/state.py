"""All that the engine knows: jobs, open runs, and the three queues of things to come (instants, alarms, starts)."""

from collections import Counter
from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from rae_auto.engine.events import Plan, Settings
from rae_auto.engine.queue import Queue
from rae_auto.engine.time.clock_jumps import Jump
from rae_auto.engine.time.timers import Timers
from rae_auto.engine.time.timetable import Timetable
from rae_auto.model.guard import GuardResult
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, Seen
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Run, RunState

SEEN_LIMIT = 1000
"""How many occurrences without a schedule are remembered for each trigger."""


def resource_key(name: str) -> str:
    """What runs that wait for a resource are held by; no job's id has a space."""
    return f"resource {name}"


def guard_key(run: RunId) -> str:
    """What a run is held by while its guards are asked, or keep it back."""
    return f"guard {run}"


@frozen
class Chain:
    """Runs of a trigger on each other's heels: how many, and when the first and the last began (monotonic seconds)."""

    links: int
    began: float
    last: float


@define(eq=False)
class JobEntry:
    """A job as loaded, and what is remembered of it."""

    plan: Plan
    state: JobState

    @property
    def job(self) -> Job:
        return self.plan.job


@define(eq=False)
class RunEntry:
    """A run that isn't over. `job` is the definition it was decided under; a reload doesn't change it.

    `delayed` says that an alarm will let it wait for its turn. `ending` is the state that it will have whatever its
    attempt ends with: it was cancelled or timed out. `held_by` is what it waits for beside its turn, in a code and in
    words; `waited_for` all that it has waited for.
    """

    run: Run
    job: Job
    delayed: bool = False
    ending: RunState | None = None
    ending_reason: Reason | None = None
    held_by: tuple[Reason, str] | None = None
    waited_for: tuple[Reason, ...] = ()
    guards_read: Mapping[str, GuardResult] = field(factory=dict)
    """What its guards said that were read, and when that was (monotonic seconds)."""
    guards_read_at: float = float("-inf")
    guards_again_at: float = float("inf")
    """When a guard that keeps it back may have changed its mind (monotonic seconds); an alarm before that is old."""
    keeps_place: bool = False
    """A place is kept for it while its guards are asked."""


@define(eq=False)
class EngineState:
    """The state of the engine. Handlers change it; nobody else does."""

    settings: Settings = field(factory=Settings)
    jobs: dict[JobId, JobEntry] = field(factory=dict)
    runs: dict[RunId, RunEntry] = field(factory=dict)
    runs_of: dict[JobId, list[RunId]] = field(factory=dict)
    held: dict[str, list[RunId]] = field(factory=dict)
    """Runs that wait until something happens to a job (its id), a resource (`resource_key`) or a guard."""
    seen: dict[tuple[JobId, str], dict[str, Seen]] = field(factory=dict)
    active: int = 0
    kept: int = 0
    """How many places are kept for runs whose guards are being asked."""
    in_use: Counter[str] = field(factory=Counter)
    """How many attempts in hand use each resource."""
    ended_at: dict[tuple[JobId, str], float] = field(factory=dict)
    """When the last run of a job's trigger ended (monotonic seconds)."""
    echoes: dict[tuple[JobId, str, str], list[float]] = field(factory=dict)
    """When what may be a job's own doing came on the heels of its run: see `feedback`."""
    chains: dict[tuple[JobId, str], Chain] = field(factory=dict)
    """How long the runs of a job's trigger have followed on each other's heels: see `feedback`."""
    timetable: Timetable = field(factory=Timetable)
    timers: Timers = field(factory=Timers)
    queue: Queue = field(factory=Queue)
    restarted: bool = False
    """No instant was decided yet since the daemon began: what is due now fell due while it was down."""
    clocks: Moment | None = None
    """What they said at the last event."""
    jumped: Jump | None = None
    """What they did since instants were last decided, beside going on."""
    stopping: bool = False
    leaving: bool = False
    """What runs and can be found again is left to the next daemon."""
    stopped: bool = False

    def open_runs(self, job: JobId) -> list[RunEntry]:
        """The job's open runs, the oldest first."""
        return [self.runs[run] for run in self.runs_of.get(job, ())]

    def open(self, run: RunEntry) -> None:
        """Take in a run that isn't over."""
        self.runs[run.run.id] = run
        self.runs_of.setdefault(run.run.job, []).append(run.run.id)
        if run.run.state.active:
            self.take_place(run)

    def close(self, run: RunEntry) -> None:
        """Forget a run that is over."""
        self.let_place_go(run)
        self.held.pop(guard_key(run.run.id), None)
        del self.runs[run.run.id]
        mine = self.runs_of[run.run.job]
        mine.remove(run.run.id)
        if not mine:
            del self.runs_of[run.run.job]

    def take_place(self, run: RunEntry) -> None:
        """An attempt of the run is in hand from now on."""
        self.active += 1
        self.in_use.update(run.job.resources)

    def give_place(self, run: RunEntry) -> None:
        """The run's attempt is over."""
        self.active -= 1
        self.in_use.subtract(run.job.resources)

    def keep_place(self, run: RunEntry) -> None:
        """Nobody else gets what the run needs to start, until `let_place_go`."""
        run.keeps_place = True
        self.kept += 1
        self.in_use.update(run.job.resources)

    def let_place_go(self, run: RunEntry) -> None:
        """Keep no place for the run any more, if one was kept."""
        if run.keeps_place:
            run.keeps_place = False
            self.kept -= 1
            self.in_use.subtract(run.job.resources)

    def attempt(self, run: RunId, attempt: int) -> RunEntry | None:
        """The open run, if this attempt of it is in hand: news of others come too late."""
        found = self.runs.get(run)
        return found if found and found.run.state.active and found.run.attempt == attempt else None

    def remembered(self) -> Iterator[Seen]:
        for by_key in self.seen.values():
            yield from by_key.values()
