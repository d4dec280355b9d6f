"""The engine in virtual time: its changes kept in memory, its starts in nobody's hands but yours.

A shell as thin as the daemon's. It keeps what was committed, so that a crash can be played at any point: `crash()`
makes a new engine of that alone.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rae_auto.engine.engine import Engine
from rae_auto.engine.events import (
    CancelAsked,
    Ended,
    Event,
    Fired,
    Found,
    JobAdded,
    JobRemoved,
    Origin,
    Paused,
    Plan,
    Restored,
    Settings,
    Started,
    Stopping,
    Ticked,
)
from rae_auto.engine.step import Cancel, Erase, Notify, Record, Reply, Save, Start, Step, Stopped
from rae_auto.errors import SchedulerError
from rae_auto.model.decision import MANUAL, Decision, Occurrence
from rae_auto.model.documents import place_of
from rae_auto.model.instants import Moment
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, Seen
from rae_auto.model.names import JobId, RunId
from rae_auto.model.run import Result, Run

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualWorld:
    """An engine, a clock that you move, a store that you can look into, and attempts that end when you say so."""

    def __init__(self, *plans: Plan, settings: Settings | None = None, start: datetime = EPOCH) -> None:
        self.settings = settings or Settings()
        # Monotonic time begins at 0: near the epoch's size its steps would be lost in the float.
        self.now = Moment(start, 0.0)
        self.committed: dict[tuple[str, str], Job | JobState | Run | Seen] = {}
        self.history: list[Run] = []
        self.decisions: list[Decision] = []
        self.started: list[Start] = []
        self.in_hand: dict[RunId, Start] = {}
        self.cancelled: list[Cancel] = []
        self.notices: list[Notify] = []
        self.stopped = False
        self._plans = {plan.job.id: plan for plan in plans}
        self._asks = 0
        self._answer: Mapping[str, Any] | SchedulerError | None = None
        self.engine = Engine()
        self.feed(Restored(self.settings, tuple(plans)))

    def feed(self, event: Event) -> Step:
        """One event, its changes kept, its effects noted."""
        step = self.engine.handle(event, self.now)
        for change in step.changes:
            match change:
                case Save(value):
                    self.committed[place_of(value)] = value
                case Erase(value):
                    self.committed.pop(place_of(value), None)
                case Record(Run() as run):
                    self.history.append(run)
                case Record():
                    pass
        self.decisions += step.decisions
        for effect in step.effects:
            self._note(effect)
        return step

    def _note(self, effect: object) -> None:
        match effect:
            case Start(run=run):
                self.started.append(effect)
                self.in_hand[run.id] = effect
            case Cancel():
                self.cancelled.append(effect)
            case Notify():
                self.notices.append(effect)
            case Reply(value=value):
                self._answer = value
            case Stopped():
                self.stopped = True

    # Time

    def advance(self, by: timedelta) -> None:
        """Let time pass, waking the engine when it wants to be woken."""
        end = self.now.mono + by.total_seconds()
        wall_end = self.now.wall + by
        while (wake := self.engine.next_wake(self.now)) is not None and self.now.mono + wake <= end:
            # Not by way of a timedelta alone: its microseconds may be too coarse to reach an alarm.
            self.now = Moment(self.now.wall + timedelta(seconds=wake), self.now.mono + wake, self.now.slept)
            self.feed(Ticked())
        self.now = Moment(wall_end, end, self.now.slept)

    def sleep(self, by: timedelta) -> None:
        """The machine is suspended, and wakes up."""
        self.now = Moment(self.now.wall + by, self.now.mono, self.now.slept + by.total_seconds())
        self.feed(Ticked())

    def set_clock(self, by: timedelta) -> None:
        """Somebody sets the clock, forward or back."""
        self.now = Moment(self.now.wall + by, self.now.mono, self.now.slept)
        self.feed(Ticked())

    # People

    def add(self, plan: Plan, *, replace: bool = False) -> Mapping[str, Any]:
        answer = self._ask(lambda ask: JobAdded(plan, replace, ask))
        self._plans[plan.job.id] = plan
        return answer

    def remove(self, job: str) -> None:
        self._ask(lambda ask: JobRemoved(JobId(job), ask))
        del self._plans[JobId(job)]

    def trigger(self, job: str, request: str | None = None) -> RunId:
        """Ask for a run; NotStarted and the like are raised."""
        key = request or f"request-{self._asks}"
        occurrence = Occurrence(JobId(job), MANUAL, key, self.now.wall)
        return RunId(self._ask(lambda ask: Fired(occurrence, ask))["run_id"])

    def fire(self, job: str, trigger: str, key: str) -> None:
        """A source tells of something."""
        self.feed(Fired(Occurrence(JobId(job), trigger, key, self.now.wall)))

    def cancel(self, *, job: str | None = None, run: RunId | None = None) -> None:
        self._ask(lambda ask: CancelAsked(None if job is None else JobId(job), run, ask))

    def pause(self, job: str) -> None:
        self._ask(lambda ask: Paused(JobId(job), True, ask))

    def resume(self, job: str) -> None:
        self._ask(lambda ask: Paused(JobId(job), False, ask))

    def stop(self, grace: timedelta = timedelta(0), *, leave_running: bool = False) -> None:
        self._ask(lambda ask: Stopping(grace, leave_running, ask))

    def _ask(self, event_for: Any) -> Mapping[str, Any]:
        self._asks += 1
        self._answer = None
        self.feed(event_for(self._asks))
        if isinstance(self._answer, SchedulerError):
            raise self._answer
        assert self._answer is not None, "every asker gets an answer"
        return self._answer

    # Executors

    def confirm(self, run: RunId) -> None:
        """The executor has the run's attempt in hand."""
        self.feed(Started(run, self.in_hand[run].run.attempt, {"pid": 1}))

    def end(self, run: RunId, result: Result | None = None) -> None:
        """The run's attempt ends; successfully unless a result says otherwise."""
        start = self.in_hand.pop(run)
        self.feed(Ended(run, start.run.attempt, result or Result(exit_code=0)))

    def fail(self, run: RunId, exit_code: int = 1) -> None:
        self.end(run, Result(exit_code=exit_code))

    # Crashes

    def crash(self, *, alive: Iterable[RunId] = (), down: timedelta = timedelta(0)) -> None:
        """The daemon dies and comes back `down` later; attempts in `alive` go on, of the others nothing is known."""
        self.now = self.now.later(down)
        going_on = set(alive)
        open_runs = self.kept(Run)
        self.engine = Engine()
        self.stopped = False
        plans = tuple(self._plans.values())
        self.feed(Restored(self.settings, plans, self.kept(JobState), open_runs, self.kept(Seen)))
        for run in open_runs:
            if run.state.active:
                handle = {"pid": 1} if run.id in going_on else None
                if handle is None:
                    self.in_hand.pop(run.id, None)
                self.feed(Found(run.id, run.attempt, handle))

    def kept(self, cls: type[Any]) -> tuple[Any, ...]:
        """The committed values of a type."""
        return tuple(value for value in self.committed.values() if isinstance(value, cls))

    def run(self, run: RunId) -> Run:
        """A run as last committed, open or over."""
        found = next((over for over in reversed(self.history) if over.id == run), None)
        kept = found or next((value for value in self.kept(Run) if value.id == run), None)
        assert kept is not None, f"run {run} is lost"
        return kept


def plan(job: Job, *, origin: Origin = Origin.STORE, **schedules: Any) -> Plan:
    """A job with schedules by trigger id."""
    return Plan(job, schedules, origin)
