"""The engine in virtual time: its changes go to a virtual store, and the caller ends its attempts.

It is as thin as the daemon's engine loop. `crash()` makes a new engine from the stored values alone, at any point.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from attrs import evolve

from rae_auto.engine.commands import AddJob, CancelRuns, RemoveJob, SetPaused, SkipStart, Stop, Trigger
from rae_auto.engine.effects import (
    Cancel,
    Deliver,
    EngineStopped,
    ExpectationBreached,
    ExpectationMet,
    ReadGuards,
    Record,
    Reply,
    Save,
    Start,
    Step,
)
from rae_auto.engine.engine import Engine, EngineInput
from rae_auto.engine.events import (
    AttemptDequeued,
    AttemptEnded,
    AttemptFound,
    AttemptStarted,
    DeliveryEnded,
    GuardsRead,
    Restored,
    TimePassed,
    TriggerFired,
)
from rae_auto.engine.lifecycle import mark_uncertain
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.engine.time_passing import time_until_decided
from rae_auto.errors import SchedulerError, StoreError
from rae_auto.model.decision import MANUAL, Decision, Occurrence
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.downtime import Downtime, DowntimeCause
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.evolving.slots import maker_of
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import HandedOver, Unconfirmed
from rae_auto.model.run import QueuePlace, Result, Run
from rae_auto.records.last_record import instants_of_runs, newest_of
from rae_auto.simulation.virtual_store import ValueStore, VirtualCrash, VirtualStore

T = TypeVar("T")

_make_end = maker_of(AttemptEnded)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

COMMIT_RETRY_DELAY = timedelta(seconds=1)


class VirtualWorld:
    """An engine with a clock, a store and attempts that the caller controls."""

    def __init__(
        self,
        *plans: Plan,
        settings: Settings | None = None,
        start: datetime = EPOCH,
        store: VirtualStore | None = None,
        states: Iterable[JobState] = (),
        undoes_faults: bool = True,
    ) -> None:
        self.settings = settings or Settings()
        # Monotonic time begins at 0: near the epoch's size its steps would be lost in the float.
        self.now = Moment(start, 0.0, boot="virtual")
        self.store = store or ValueStore()
        self.history: list[Run] = []
        self.decisions: list[Decision] = []
        self.started: list[Start] = []
        self.active_starts: dict[RunId, Start] = {}
        self.cancelled: list[Cancel] = []
        self.notices: list[OutboxNotice] = []
        """The notices that were delivered, each time that they were."""
        self.deliveries: list[Deliver] = []
        """The deliveries that the engine wants, as long as the notifiers hang."""
        self.deliver: Callable[[Deliver], str | None] = lambda _: None
        """Delivers, and returns the error, if there is one."""
        self.notifiers_hang = False
        self.on_effect: Callable[[object], None] | None = None
        """Called with each effect, if set."""
        self.breaches: list[tuple[datetime, ExpectationBreached | ExpectationMet]] = []
        """The starts and ends of breaches, and when their reports were requested."""
        self.answer_guard: Callable[[JobId, str], GuardResult] = lambda _, __: GuardResult(
            Verdict.YES, "assumed to be yes"
        )
        """Results of guards that read the machine, by job and id."""
        self.guard_requests: list[ReadGuards] = []
        """Which guards the engine wants read, as long as they hang."""
        self.guards_age: dict[RunId, float] = {}
        """Seconds between the reading of a run's guards and its start, of runs whose guards were read."""
        self._guards_read_at: dict[RunId, float] = {}
        self.guards_hang = False
        """True while those guards answer."""
        self.tolerates_faults = False
        """True leaves faults to an engine that undoes them; otherwise they are raised."""
        self.stopped = False
        self.effects_until_crash: int | None = None
        """Number of further effects after which the daemon dies; None for no crash."""
        self._plans = {plan.job.id: plan for plan in plans}
        self._left_at: datetime | None = None
        """When the last daemon that has decided all due instants was last running."""
        self._undoes_faults = undoes_faults
        self._asks = self._boots = 0
        self._answer: Mapping[str, Any] | SchedulerError | None = None
        self.engine = Engine(undoes_faults=undoes_faults)
        self.store.commit([Save(state) for state in states if state.job in self._plans])
        self.feed(Restored(self.settings, tuple(plans), self.stored(JobState)))
        self.pass_time()

    def feed(self, event: EngineInput) -> Step:
        """Feed an input, commit its changes, note its effects. Errors: VirtualCrash, where one is planned."""
        step = self.engine.handle(event, self.now)
        if step.failures and not self.tolerates_faults:
            raise step.failures[0].error
        if step.changes:
            try:
                self._commit(step)
            except VirtualCrash as crashed:
                # What became durable has happened, even if it was never shown.
                if crashed.durable:
                    self._remember(step)
                raise
            self._remember(step)
        for effect in step.effects:
            self._note(effect)
        if self.guard_requests:
            self.answer_guards()
        if self.deliveries:
            self.deliver_notices()
        return step

    def pass_time(self) -> None:
        """Feed `TimePassed` to the engine, as often as it has due instants left to decide."""
        self.feed(TimePassed())
        while self.engine.is_catching_up:
            self.feed(TimePassed())

    def answer_guards(self) -> None:
        """Answer the requests to read guards, unless these hang."""
        while self.guard_requests and not self.guards_hang:
            wanted = self.guard_requests.pop(0)
            said = {name: self.answer_guard(wanted.job, name) for name in wanted.guards}
            self._guards_read_at[wanted.run] = self.now.mono
            self.feed(GuardsRead(wanted.run, said))

    def deliver_notices(self) -> None:
        """Carry out the deliveries, unless the notifiers hang."""
        while self.deliveries and not self.notifiers_hang:
            wanted = self.deliveries.pop(0)
            error = self.deliver(wanted)
            self.notices += () if error else wanted.notices
            self.feed(DeliveryEnded(tuple(notice.key for notice in wanted.notices), error))

    def _commit(self, step: Step) -> None:
        """Commit the changes; meanwhile time passes, and nothing else happens."""
        while True:
            try:
                self.store.commit(step.changes)
            except StoreError:
                self.now = self.now.later(COMMIT_RETRY_DELAY)
            else:
                return

    def _remember(self, step: Step) -> None:
        for change in step.changes:
            if type(change) is Record and type(change.value) is Run:
                self.history.append(change.value)
        self.decisions += step.decisions

    def _note(self, effect: object) -> None:
        if self.effects_until_crash is not None:
            if self.effects_until_crash == 0:
                self.effects_until_crash = None
                raise VirtualCrash(durable=True)
            self.effects_until_crash -= 1
        if self.on_effect is not None:
            self.on_effect(effect)
        match effect:
            case Start(run=run):
                self.started.append(effect)
                self.active_starts[run.id] = effect
                if run.id in self._guards_read_at:
                    self.guards_age[run.id] = self.now.mono - self._guards_read_at[run.id]
            case ReadGuards():
                self.guard_requests.append(effect)
            case Cancel():
                self.cancelled.append(effect)
            case Deliver():
                self.deliveries.append(effect)
            case ExpectationBreached() | ExpectationMet():
                self.breaches.append((self.now.wall, effect))
            case Reply(value=value):
                self._answer = value
            case EngineStopped():
                self.stopped = True

    # Time

    def advance(self, by: timedelta) -> None:
        """Let time pass, waking the engine when it wants to be woken."""
        end = self.now.mono + by.total_seconds()
        wall_end = self.now.wall + by
        while (wake := self.engine.next_wake(self.now)) is not None and self.now.mono + wake <= end:
            # Not by way of a timedelta alone: its microseconds may be too coarse to reach an alarm.
            self.now = evolve(self.now, wall=self.now.wall + timedelta(seconds=wake), mono=self.now.mono + wake)
            self.feed(TimePassed())
        self.now = evolve(self.now, wall=wall_end, mono=end)

    def decide_ahead_in_vain(self, before: timedelta) -> bool:
        """Let time pass until shortly before the next instant, and have that decided, if it can be.

        It becomes durable, and the daemon dies before it comes: nothing of it has an effect. The caller restarts it.
        """
        instant = self.engine.next_instant
        if instant is None or instant - before <= self.now.wall:
            return False
        self.advance(instant - before - self.now.wall)
        now, due = self.now, self.now.later(before)
        if self.engine.next_instant != instant or not self.engine.can_decide_ahead(due):
            return False
        self.now, self.effects_until_crash = due, 0
        with suppress(VirtualCrash):
            self.feed(TimePassed())
        # Commits that failed have taken their time.
        self.now = now.later(timedelta(seconds=self.now.mono - due.mono))
        self.effects_until_crash = None
        return True

    def sleep(self, by: timedelta) -> None:
        """Suspend the machine, and wake it up."""
        self.now = evolve(self.now, wall=self.now.wall + by, slept=self.now.slept + by.total_seconds())
        self.pass_time()

    def set_clock(self, by: timedelta) -> None:
        """Set the clock, forward or back."""
        self.now = evolve(self.now, wall=self.now.wall + by)
        self.pass_time()

    # People

    def add(self, plan: Plan, *, replace: bool = False) -> Mapping[str, Any]:
        answer = self._ask(lambda ask: AddJob(plan, replace, ask))
        self.put_plan(plan)
        return answer

    def put_plan(self, plan: Plan) -> None:
        """Add a job to the configuration that is loaded after a crash."""
        self._plans[plan.job.id] = plan

    def remove(self, job: str) -> None:
        self._ask(lambda ask: RemoveJob(JobId(job), ask))
        self.drop_plan(job)

    def drop_plan(self, job: str) -> None:
        """Remove a job from the configuration that is loaded after a crash."""
        self._plans.pop(JobId(job), None)

    def trigger(self, job: str, request: str | None = None, *, forced: bool = False) -> RunId:
        """Request a run by hand. Raises the error that the engine answers with, such as NotStarted."""
        key = request or f"request-{self._asks}"
        occurrence = Occurrence(JobId(job), MANUAL, key, self.now.wall)
        return RunId(self._ask(lambda ask: Trigger(occurrence, ask, forced=forced))["run_id"])

    def fire(self, job: str, trigger: str, key: str, *, feedback_key: str | None = None) -> None:
        """Let a source emit an occurrence."""
        self.feed(TriggerFired(Occurrence(JobId(job), trigger, key, self.now.wall), feedback_key=feedback_key))

    def cancel(self, *, job: str | None = None, run: RunId | None = None) -> None:
        self._ask(lambda ask: CancelRuns(None if job is None else JobId(job), run, ask))

    def pause(self, job: str, *, until: datetime | None = None, note: str = "") -> None:
        self._ask(lambda ask: SetPaused(JobId(job), True, ask, until, note))

    def skip(self, job: str, *, undo: bool = False) -> datetime:
        """Have the next start of a job skipped, or take that back; return its instant."""
        at: datetime = self._ask(lambda ask: SkipStart(JobId(job), undo, ask))["at"]
        return at

    def resume(self, job: str) -> None:
        self._ask(lambda ask: SetPaused(JobId(job), False, ask))

    def stop(self, grace: timedelta = timedelta(0), *, leave_running: bool = False) -> None:
        self._ask(lambda ask: Stop(grace, leave_running, ask))

    def _ask(self, event_for: Any) -> Mapping[str, Any]:
        self._asks += 1
        self._answer = None
        self.feed(event_for(self._asks))
        if isinstance(self._answer, SchedulerError):
            raise self._answer
        assert self._answer is not None, "every asker gets an answer"
        return self._answer

    # Executors

    def confirm(self, run: RunId, *, queue: QueuePlace | None = None) -> None:
        """Confirm the start of the run's attempt, or that it is in a queue elsewhere."""
        self.feed(AttemptStarted(run, self.active_starts[run].run.attempt, {"pid": 1}, queue))

    def dequeue(self, run: RunId, ago: timedelta = timedelta(0)) -> None:
        """Have the run's attempt leave the queue elsewhere, or have left it some time ago."""
        self.feed(AttemptDequeued(run, self.active_starts[run].run.attempt, ago))

    def end(self, run: RunId, result: Result | None = None) -> None:
        """End the run's attempt; successfully unless a result says otherwise."""
        start = self.active_starts.pop(run)
        self.feed(_make_end(run, start.run.attempt, result or _success_of(start.job.success_codes)))

    def fail(self, run: RunId, exit_code: int = 1) -> None:
        self.end(run, Result(exit_code=exit_code))

    # Crashes

    def crash(
        self,
        *,
        alive: Iterable[RunId] = (),
        ended: Mapping[RunId, Result] | None = None,
        never_started: Iterable[RunId] = (),
        down: timedelta = timedelta(0),
        clock_set_by: timedelta = timedelta(0),
        reboots: bool = False,
        reverts: bool = False,
    ) -> None:
        """Crash the daemon, and restart it `down` later.

        Attempts in `alive` go on, those in `ended` have left their ends on record, those in
        `never_started` never started, and of the others nothing is known. Meanwhile the wall clock is set by
        `clock_set_by`, and with `reboots` the other clocks begin again. With `reverts` the store is known to have
        gone back to an older state.
        """
        self._left_at = self._left_at or self.now.wall
        self.now = self.now.later(down)
        self.now = evolve(self.now, wall=self.now.wall + clock_set_by)
        if reboots:
            self._boots += 1
            self.now = evolve(self.now, mono=1.0, slept=0.0, boot=f"virtual-{self._boots}")
        going_on, over, never = set(alive), ended or {}, set(never_started)
        self.store.reopen()
        open_runs = self.stored(Run)
        self.now = self.now.later(time_until_decided(newest_of(instants_of_runs(open_runs)), self.now.wall))
        self.engine = Engine(undoes_faults=self._undoes_faults)
        self.stopped = False
        plans = tuple(self._plans.values())
        if reverts:
            open_runs = tuple([self._mark_uncertain(run) for run in open_runs])
        self.guard_requests.clear()
        self.deliveries.clear()
        self.active_starts = {run: start for run, start in self.active_starts.items() if run in going_on}
        seen = self.stored(SeenOccurrence)
        notices = self.stored(OutboxNotice)
        gone = Downtime(since=self._left_at, until=self.now.wall, cause=DowntimeCause.KILLED) if down else None
        last = next(iter(self.stored(Downtime)), None)
        states = self.stored(JobState)
        self.feed(Restored(self.settings, plans, states, open_runs, seen, reverts, notices, gone, last))
        for run in open_runs:
            if run.state.active and run.id in over:
                self.feed(AttemptEnded(run.id, run.attempt, over[run.id]))
            elif run.state.active:
                handle = {"pid": 1} if run.id in going_on else None
                queue = _place_of(run.reason) if isinstance(run.reason, HandedOver) else None
                self.feed(AttemptFound(run.id, run.attempt, handle, started=run.id not in never, queue=queue))
        self.pass_time()
        self._left_at = None

    def _mark_uncertain(self, run: Run) -> Run:
        """Return a run of a store that went back; each attempt that was started has left a trace."""
        attempts = [start.run.attempt for start in self.started if start.run.id == run.id]
        plan = self._plans.get(run.job)
        return mark_uncertain(run, plan.job if plan else None, max(attempts, default=0))

    def stored(self, cls: type[T]) -> tuple[T, ...]:
        """Return the committed values of a type."""
        return self.store.load(cls)

    def run(self, run: RunId) -> Run:
        """Return a run as last committed, open or finished."""
        found = next((over for over in reversed(self.history) if over.id == run), None)
        stored = found or next((value for value in self.stored(Run) if value.id == run), None)
        assert stored is not None, f"run {run} is lost"
        return stored


def plan(job: Job, *, origin: JobOrigin = JobOrigin.STORE, **schedules: Any) -> Plan:
    """Return the plan of a job with schedules by trigger id."""
    return Plan(job, schedules, origin)


@lru_cache
def _success_of(codes: tuple[int, ...]) -> Result:
    """Return the result of an attempt that succeeds; one for all runs, of which there may be a million."""
    return Result(exit_code=min(codes))


def _place_of(reason: HandedOver) -> QueuePlace:
    """Return the place by which an executor would find an attempt again."""
    return QueuePlace(reason.queue, reason.wanted, may_have_started=isinstance(reason, Unconfirmed))
